-- without: call.tools_sha256
ALTER TABLE call ADD COLUMN tools_sha256 TEXT;
