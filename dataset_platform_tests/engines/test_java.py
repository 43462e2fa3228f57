"""Java: found where it is, fetched where it is not, and one clear line when neither can be."""

from __future__ import annotations

import io
import json
import platform
import shutil
import ssl
import sys
import tarfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest

from dataset_platform.engines.java import SUPPORTED, ensure_java, find_java_home, java_version
from dataset_platform.errors import EngineError

SCRIPT = "#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n"
REAL_JAVA = shutil.which("java")


def fake_home(root: Path, version: str) -> Path:
    java = root / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(SCRIPT.format(version=version))
    java.chmod(0o755)
    return root


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without Java, network and cache."""
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setenv("JAVA_HOME", "")
    monkeypatch.setenv("DATASET_PLATFORM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CJDK_INDEX_URL", "https://127.0.0.1:9/index.json")
    return tmp_path


@pytest.mark.skipif(REAL_JAVA is None, reason="has no java on the path; Spark then runs on a fetched one")
def test_the_real_java_tells_its_version_and_its_home() -> None:
    assert REAL_JAVA is not None
    version = java_version(REAL_JAVA)
    assert version is not None
    home = find_java_home()
    assert home is not None
    assert java_version(f"{home}/bin/java") in SUPPORTED


@pytest.mark.parametrize(
    ("text", "major"), [("17.0.15", 17), ("21", 21), ("25.0.1-ea", 25), ("1.8.0_402", 1), ("unknown", None)]
)
def test_versions_are_read_as_every_java_writes_them(tmp_path: Path, text: str, major: int | None) -> None:
    assert java_version(str(fake_home(tmp_path, text) / "bin" / "java")) == major


def test_what_does_not_run_has_no_version(tmp_path: Path) -> None:
    assert java_version(str(tmp_path / "none")) is None
    (tmp_path / "text").write_text("no program")
    assert java_version(str(tmp_path / "text")) is None


def test_java_home_comes_before_the_path(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_java_home() is None
    on_path = fake_home(bare / "path", "17.0.1")
    monkeypatch.setenv("PATH", str(on_path / "bin"))
    assert find_java_home() == ensure_java() == str(on_path)
    named = fake_home(bare / "named", "21.0.2")
    monkeypatch.setenv("JAVA_HOME", str(named))
    assert find_java_home() == ensure_java() == str(named)


@pytest.mark.parametrize("version", ["11.0.2", "25.0.1", "unknown"])
def test_a_java_home_that_spark_cannot_use_is_passed_over(
    bare: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_home(bare / "named", version)))
    assert find_java_home() is None
    on_path = fake_home(bare / "path", "21")
    monkeypatch.setenv("PATH", str(on_path / "bin"))
    assert find_java_home() == str(on_path)


def test_a_link_on_the_path_leads_to_the_home_behind_it(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = fake_home(bare / "jvm", "17")
    (bare / "usr").mkdir()
    (bare / "usr" / "java").symlink_to(home / "bin" / "java")
    monkeypatch.setenv("PATH", str(bare / "usr"))
    assert find_java_home() == str(home)


@pytest.mark.parametrize("version", [None, "11.0.2"])
def test_without_java_and_network_the_hint_names_what_to_install(
    bare: Path, monkeypatch: pytest.MonkeyPatch, version: str | None
) -> None:
    if version:
        monkeypatch.setenv("PATH", str(fake_home(bare / "path", version) / "bin"))
    with pytest.raises(EngineError, match="Java 17 or 21; none was found and none could be fetched") as caught:
        ensure_java()
    assert "\n" not in str(caught.value)
    for system in ("Debian", "Fedora", "macOS", "JAVA_HOME"):
        assert system in caught.value.hint


class Server:
    """An HTTPS server with an index in cjdk's format and one archive; counts what it is asked for."""

    def __init__(self, certificate: Path, archive: bytes) -> None:
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                body = server.index() if self.path == "/index.json" else archive
                self.send_response(200 if self.path in ("/index.json", "/jdk.tar.gz") else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def index(self) -> bytes:
        arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine().lower(), platform.machine().lower())
        archive = f"tgz+{self.url}/jdk.tar.gz"
        versions = {"1.11.0.2": archive + ".old", "1.17.0.9": archive, "1.21.0.1": archive + ".new"}
        return json.dumps({sys.platform: {arch: {"jdk@temurin": versions}}}).encode()


def certificate(folder: Path) -> Path:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


@pytest.fixture
def server(bare: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Server]:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as tar:
        info = tarfile.TarInfo("jdk-17.0.9/bin/java")
        body = SCRIPT.format(version="17.0.9").encode()
        info.size, info.mode = len(body), 0o755
        tar.addfile(info, io.BytesIO(body))
    archive = sink.getvalue()[: getattr(request, "param", None)]
    pem = certificate(bare)
    running = Server(pem, archive)
    monkeypatch.setenv("CJDK_INDEX_URL", running.url + "/index.json")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
    yield running
    running.http.shutdown()
    running.http.server_close()


def test_a_missing_java_is_fetched_once_into_the_cache(bare: Path, server: Server, monkeypatch) -> None:
    home = ensure_java()
    assert Path(home).is_relative_to(bare / "cache")
    assert java_version(f"{home}/bin/java") == 17
    assert server.asked == ["/index.json", "/jdk.tar.gz"]
    monkeypatch.setenv("CJDK_INDEX_URL", "https://127.0.0.1:9/index.json")
    assert find_java_home() == ensure_java() == home
    assert len(server.asked) == 2


@pytest.mark.parametrize("server", [40], indirect=True)
def test_a_download_cut_short_is_no_java_and_the_next_try_starts_afresh(bare: Path, server: Server) -> None:
    for _ in range(2):
        with pytest.raises(EngineError, match="none could be fetched") as caught:
            ensure_java()
        assert "Debian" in caught.value.hint
        assert find_java_home() is None
    assert server.asked.count("/jdk.tar.gz") == 2
