"""Variables with secrets as users have them, made up for tests, and variables without any."""

P = "hunter2!Blue-42"  # what people type
R = "Zq7xKp9wRt5yMn3bVc8d"  # what programs make
LONG = "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3In0.dBjftJeZ4CVPmB92K27uhbUJU1p1r"
PEM = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\n-----END"
TYPED = """
DB_PASS DB_PASSWORD DBPASS MYSQL_PWD MYSQL_ROOT_PASSWORD PGPASSWORD POSTGRES_PASSWORD
REDIS_PASSWORD SMTP_PASS MAIL_PASSWORD FTP_PASS LDAP_BIND_PW ADMIN_PASS_2 SSHPASS SUDO_PASS
KEYSTORE_PASSWD userPassword GPG_PASSPHRASE RESTIC_PASSWORD ANSIBLE_VAULT_PASS PASS PASSWORD
pwd_old TWINE_PASSWORD basic.auth HTTP_AUTHORIZATION APP_COOKIE COOKIE PASSCODE_1 SALT
PASSWORD_SALT SIGNATURE SEED_PHRASE MNEMONIC CSRF
"""
MADE = """
OPENAI_API_KEY AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN GITHUB_TOKEN GH_PAT JWT
JWT_SECRET SECRET_KEY_BASE CLIENT_SECRET_PROD ENCRYPTION_KEY_B64 HMAC AZURE_SAS API_KEY_GITHUB
TOKEN_FOR_CI apiKey npm_config__auth npm_config__authToken SIGNING_KEYS OTP BEARER APIKEY
"""

VARIABLES: dict[str, tuple[str, str]] = {  # the value, and what of it is the secret
    **dict.fromkeys(TYPED.split(), (P, P)),
    **dict.fromkeys(MADE.split(), (R, R)),
    "CI_JOB_JWT": (JWT, JWT),
    "MYSTERY": (LONG, LONG),
    "BUILD_EXTRA": (f"--with sk-proj-{R} --fast", f"sk-proj-{R}"),
    "DEPLOY_WITH": (PEM, PEM),
    "DATABASE_URL": ("postgres://me:pa%2Dss%401x@db/x", "pa-ss@1x"),
    "MONGO": ("mongodb+srv://me:Blue-42-x@c0.example/db?w=1", "Blue-42-x"),
    "GIT_REMOTE": (f"https://{R}@git.example/a.git", R),
    "SLACK_WEBHOOK_URL": (f"https://hooks.example/services/T0/B0/{R}", R),
    "STORAGE": (f"DefaultEndpointsProtocol=https;AccountName=me;AccountKey={R}==;E=x", f"{R}=="),
    "MSSQL": (f"Server=tcp:db;User ID=me;Password={P};Encrypt=True", P),
    "OTEL_EXPORTER_OTLP_HEADERS": (f"authorization=Bearer {R}", R),
    "EXTRA_HEADERS": (f'{{"X-Api-Key": "{R}", "Accept": "*/*"}}', R),
    "PROXY_AUTHORIZATION": ("Basic bWU6Qmx1ZS00Mi14", "Blue-42-x"),
    "DOCKER_AUTH_CONFIG": ('{"auths": {"r.example": {"auth": "bWU6Qmx1ZS00Mi14"}}}', "Blue-42-x"),
    "SESSION_COOKIE": (f"theme=dark; sid={R}", R),
    "GCP_KEY_JSON": (f'{{"private_key": "{R}", "client_email": "a@b.example"}}', R),
}  # fmt: skip
HONEST: dict[str, str] = {
    "PATH": "/usr/local/sbin:/usr/bin:/opt/Abc123Def456Ghi789Jkl012Mno/bin",
    "HOME": "/root",
    "PWD": "/tmp/a1b2c3d4e5f6-G7H8",
    "OLDPWD": "/tmp/somewhere-else-1",
    "USER": "ada1815xyz",
    "LANG": "en_US.UTF-8",
    "TERM": "xterm-256color",
    "SHELL": "/bin/bash",
    "EDITOR": "vim -u NONE",
    "LS_COLORS": "rs=0:di=01;34:ln=01;36:mh=00:pi=40;33:*.tar=01;31:*.7z=01;31",
    "LESSOPEN": "| /usr/bin/lesspipe %s",
    "LESS_TERMCAP_mb": "\x1b[1;31m",
    "PS1": "\\[\\e[1;32m\\]\\u@\\h:\\w\\$ ",
    "GIT_AUTHOR_NAME": "Ada King Lovelace 1815",
    "GIT_AUTHOR_EMAIL": "ada.lovelace1815@example.org",
    "GIT_ASKPASS": "echo",
    "SSH_ASKPASS": "/usr/bin/env",
    "SSH_AUTH_SOCK": "/tmp/ssh-XXXXXXabc123/agent.4711",
    "SSH_CONNECTION": "10.1.2.3 52814 10.3.2.1 22",
    "SSH_AGENT_PID": "123456789",
    "GPG_AGENT_INFO": "/run/user/1000/gnupg/S.gpg-agent:0:1",
    "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/user/1000/bus,guid=0f3a",
    "XDG_SESSION_ID": "c2",
    "XDG_DATA_DIRS": "/usr/share/gnome:/usr/local/share:/usr/share",
    "XAUTHORITY": "/run/user/1000/.mutter-Xwaylandauth.4QK7W2",
    "SESSION_MANAGER": "local/box:@/tmp/.ICE-unix/2345,unix/box:/tmp/.ICE-unix/2345",
    "DESKTOP_SESSION": "ubuntu-wayland",
    "INVOCATION_ID": "3f9c1d0e5b7a4c2d8e6f1a0b9c8d7e6f",
    "JOURNAL_STREAM": "8:1234567",
    "WINDOWID": "123456789",
    "HOSTNAME": "worker-5d4f8c7b9d-x2k9q",
    "POD_NAME": "harness-workers-5d4f8c7b9d-x2k9q",
    "KUBERNETES_PORT": "tcp://10.96.0.1:443",
    "CI_COMMIT_SHA": "9c6328c1d0e5b7a4c2d8e6f1a0b9c8d7e6f51b15",
    "GITHUB_SHA": "51b15f4ad0e5b7a4c2d8e6f1a0b9c8d7e6f9c632",
    "CI_COMMIT_REF_NAME": "feature/add-2-Things-Issue1234",
    "CI_JOB_URL": "https://ci.example/Group1/Project2/-/jobs/1234567890",
    "GITHUB_RUN_ID": "17283940561",
    "BUILD_UUID": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "IMAGE_DIGEST": "sha256:9c6328c1d0e5b7a4c2d8e6f1a0b9c8d7e6f51b159c6328c1d0e5b7a4c2d8e6f1",
    "AUTH_METHOD": "oauth2-client-credentials",
    "AUTH_URL": "https://login.example/oauth2/v2.0",
    "TOKEN_URL": "https://login.example/oauth2/token",
    "KEYBOARD_LAYOUT": "us-international-1",
    "KEYCLOAK_VERSION": "21.1.2-quarkus-final",
    "KEY_VAULT_NAME": "my-key-vault-2-westeurope",
    "MAX_TOKENS": "32768000000",
    "TOKENIZERS_PARALLELISM": "false",
    "COMPASS": "north-north-west-2",
    "PASSENGER_COUNT": "four-hundred-12",
    "AUTHOR": "Grace Hopper, 1906-12-09",
    "MAKEFLAGS": " -j8 --jobserver-auth=fifo:/tmp/GMfifo1234567",
    "CFLAGS": "-O2 -march=x86-64-v3 -fstack-protector-strong",
    "JAVA_OPTS": "-Xmx512m -XX:+UseG1GC -Dfile.encoding=UTF-8",
    "TRIPLE": "x86_64-unknown-linux-gnu-gcc-13.2.0",
    "TERM_PROGRAM": "AppleTerminalVersion2Session1Window3",
    "DJANGO_SETTINGS_MODULE": "project1.settings.production2024",
    "PYTHONHASHSEED": "1234567890",
    "TZ": "America/Argentina/Buenos_Aires",
    "NIX_PATH": "nixpkgs=/nix/var/nix/profiles/per-user/root/channels/nixpkgs",
    "_": "/usr/bin/env",
    "OPENAI_API_KEY": "not-needed",
    "DB_PASSWORD": "postgres",
    "SECRET_KEY": "changeme",
    "SSH_KEY": "~/.ssh/id_ed25519",
    "no_proxy": "localhost,127.0.0.1,.example.internal",
    "http_proxy": "http://proxy.example:3128",
    "GOPROXY": "https://proxy.example/go,direct",
    "MODEL": "gemini/gemini-3-flash-preview-09-2025",
    "OPENAI_API_BASE": "http://gateway.example:8000/v1",
}
