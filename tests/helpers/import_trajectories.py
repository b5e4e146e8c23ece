"""Run by the interpreter that has the importers: reads ATIF files as each of them does.

`import_trajectories.py docent|phoenix|scout FILE...` prints, as JSON, what came of it.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


def docent(paths: list[Path]) -> list[dict]:
    """Of each document the messages of Docent's run; where it refuses, why."""
    from docent.sdk.integrations.harbor import convert_atif_to_agent_run
    from docent.sdk.integrations.util import ConversionError

    found = []
    for path in paths:
        try:
            made = convert_atif_to_agent_run(json.loads(path.read_text()))
        except ConversionError as error:
            found.append({"refused": str(error)})
            continue
        (transcript,) = made.transcripts
        found.append(
            {
                "name": made.name,
                "roles": [message.role for message in transcript.messages],
                "texts": [message.text for message in transcript.messages],
            }
        )
    return found


def phoenix(paths: list[Path]) -> list[dict]:
    """The spans that Phoenix's client uploads for the documents together, as a server gets them."""
    from phoenix.client import Client
    from phoenix.client.helpers.atif import upload_atif_trajectories_as_spans

    got: list[dict] = []

    class Server(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            got.extend(body["data"])
            count = len(body["data"])
            answer = json.dumps({"total_received": count, "total_queued": count}).encode()
            self.send_response(202)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = Client(base_url=f"http://127.0.0.1:{server.server_port}")
        documents = [json.loads(path.read_text()) for path in paths]
        upload_atif_trajectories_as_spans(client, documents, project_name="delm")
        server.shutdown()
    return got


def scout(paths: list[Path]) -> list[dict]:
    """The transcripts that inspect_scout makes of everything in the one folder that is named."""
    import asyncio

    from inspect_scout.sources import atif

    async def read() -> list[dict]:
        return [
            {
                "id": each.transcript_id,
                "agent": each.agent,
                "messages": [message.role for message in each.messages],
                "models": [event.model for event in each.events if event.event == "model"],
                "spans": [event.name for event in each.events if event.event == "span_begin"],
                "tokens": each.total_tokens,
            }
            async for each in atif(paths[0])
        ]

    return sorted(asyncio.run(read()), key=lambda each: each["id"])


if __name__ == "__main__":
    READERS = {"docent": docent, "phoenix": phoenix, "scout": scout}
    print(json.dumps(READERS[sys.argv[1]]([Path(name) for name in sys.argv[2:]])))
