"""Encoders: found in one order, trusted by their sha256 only, taken out of packages that are never imported."""

import contextlib
import hashlib
import importlib.util
import io
import json
import os
import socket
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

from stancemap import bundle, config, encoders, fetch, schema
from stancemap.errors import EncoderError

WEIGHTS = b"weights " * 50_000
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
FILES = {"config.json": b'{"of": "encoder"}', "tokenizer.json": b"{}", "model.safetensors": WEIGHTS}
COMMIT = "c" * 40


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A machine without any encoder and without a hub."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = unused.getsockname()[1]
    monkeypatch.setenv("STANCEMAP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("STANCEMAP_ENCODERS", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{closed}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lay(folder, files=FILES):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def lay_in_hub_cache(root, commit=COMMIT):
    repo = root / "hub" / "models--maker--tiny"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(commit)
    return lay(repo / "snapshots" / commit)


def pack(path, files):
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return path


@pytest.fixture
def index(home, monkeypatch):
    """A local index of packages: `publish(PACKAGE, files)` gives what a config says about it."""
    (home / "index").mkdir()

    def publish(package, files):
        wheel = pack(home / "index" / f"{package}.whl", files)
        return config.Wheel(package=package, version="1.0", sha256=bundle.digest(wheel))

    def pip(*arguments):
        wheel = home / "index" / (arguments[-1].removesuffix("==1.0") + ".whl")
        return json.dumps({"install": [{"download_info": {"url": wheel.as_uri()}}]}), ""

    monkeypatch.setattr(fetch, "_pip", pip)
    return publish


def encoder(sha256=SHA256, wheels=(), **more):
    carrier = config.Carrier(wheels=wheels, zip_parts=more.pop("zip_parts", None)) if wheels else None
    return config.Encoder(hub="maker/tiny", sha256=sha256, carrier=carrier, **more)


INSIDE = {f"tiny_weights/model/{name}": content for name, content in FILES.items()}
POOLING = {"tiny_weights/model/1_Pooling/config.json": b'{"of": "pooling"}'}
CODE = {"tiny_weights/__init__.py": b"raise SystemExit('imported')"}


@pytest.fixture
def carried(index):
    return encoder(wheels=(index("tiny-weights", {**POOLING, **CODE, **INSIDE}),))


@pytest.fixture
def carried_in_parts(index):
    """As above, but a zip that is cut in three, one part in each package, listed in another order."""
    stream = io.BytesIO()
    pack(
        stream, {name.replace("tiny_weights/model", "tiny"): content for name, content in {**POOLING, **INSIDE}.items()}
    )
    whole = stream.getvalue()
    third = len(whole) // 3 + 1
    cut = [whole[start : start + third] for start in range(0, len(whole), third)]
    wheels = [index(f"part-{n}", {f"part_{n}/input/tiny.zip.00{n}": piece} | CODE) for n, piece in enumerate(cut, 1)]
    return encoder(wheels=(wheels[1], wheels[0], wheels[2]), zip_parts="tiny.zip")


def message(error):
    return str(error.value)


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# --- the order of places


def test_the_folder_that_the_user_names_comes_first(home, monkeypatch):
    chosen = lay(home / "mine" / "tiny")
    lay(home / "cache" / "encoders" / "tiny")
    monkeypatch.setenv("STANCEMAP_ENCODERS", str(home / "mine"))
    assert encoders.find("tiny", encoder()) == chosen


def test_a_hub_that_is_a_folder_comes_before_the_caches(home):
    lay(home / "maker" / "tiny")
    lay(home / "cache" / "encoders" / "tiny")
    assert encoders.find("tiny", encoder()) == Path("maker/tiny")


def test_the_own_cache_comes_before_that_of_the_hub(home):
    lay_in_hub_cache(home)
    own = lay(home / "cache" / "encoders" / "tiny")
    assert encoders.find("tiny", encoder()) == own


def test_the_cache_of_the_hub_comes_before_the_packages(home, carried):
    cached = lay_in_hub_cache(home)
    assert encoders.find("tiny", carried) == cached


def test_another_revision_in_the_cache_of_the_hub_does_not_count(home):
    lay_in_hub_cache(home)
    with pytest.raises(EncoderError, match="at revision v2"):
        encoders.find("tiny", encoder(revision="v2"), offline=True)


def test_a_folder_that_lacks_a_file_is_passed_over(home, monkeypatch):
    lay(home / "mine" / "tiny", {"config.json": b"{}"})
    own = lay(home / "cache" / "encoders" / "tiny")
    monkeypatch.setenv("STANCEMAP_ENCODERS", str(home / "mine"))
    assert encoders.find("tiny", encoder()) == own


# --- trust


def test_a_truncated_weight_file_is_refused_with_the_way_out(home):
    weights = lay(home / "cache" / "encoders" / "tiny") / "model.safetensors"
    weights.write_bytes(WEIGHTS[:-1])
    with pytest.raises(fetch.RefusedError) as error:
        encoders.find("tiny", encoder())
    assert message(error) == (
        f"{weights} is not the file that was pinned. Got: 'sha256 {hashlib.sha256(WEIGHTS[:-1]).hexdigest()}'. "
        f"Allowed: sha256 {SHA256}. Delete it and run the same command again; "
        "or pin its sha256 in configs/encoders/tiny.yaml, if you trust it."
    )


def test_after_the_refused_file_is_deleted_it_is_fetched_again(home, carried):
    weights = lay(home / "cache" / "encoders" / "tiny") / "model.safetensors"
    weights.unlink()
    assert (encoders.find("tiny", carried) / "model.safetensors").read_bytes() == WEIGHTS


def test_a_refused_link_of_the_hub_is_named_by_the_file_behind_it(home):
    blob = home / "blob"
    blob.write_bytes(b"damaged")
    weights = lay_in_hub_cache(home) / "model.safetensors"
    weights.unlink()
    weights.symlink_to(blob)
    with pytest.raises(fetch.RefusedError) as error:
        encoders.find("tiny", encoder())
    assert message(error).startswith(f"{blob} is not the file that was pinned.")


def test_weights_without_a_pin_are_refused_but_their_sha256_is_told(home):
    weights = lay(home / "cache" / "encoders" / "tiny") / "model.safetensors"
    with pytest.raises(fetch.RefusedError) as error:
        encoders.find("tiny", encoder(sha256=None))
    assert message(error) == (
        f"{weights} is refused, because configs/encoders/tiny.yaml pins no sha256. "
        f"If you trust it, add `sha256: {SHA256}` to configs/encoders/tiny.yaml."
    )


def test_weights_are_hashed_once_in_a_process(home, monkeypatch):
    lay(home / "cache" / "encoders" / "tiny")
    hashed = []
    monkeypatch.setattr(encoders, "digest", lambda path: hashed.append(path) or SHA256)
    encoders.find("tiny", encoder())
    encoders.find("tiny", encoder())
    assert len(hashed) == 1


def test_weights_that_change_are_hashed_again(home):
    weights = lay(home / "cache" / "encoders" / "tiny") / "model.safetensors"
    encoders.find("tiny", encoder())
    weights.write_bytes(WEIGHTS[::-1])
    os.utime(weights, ns=(1, 1))
    with pytest.raises(fetch.RefusedError):
        encoders.find("tiny", encoder())


# --- packages


def test_the_three_files_are_taken_out_of_a_package_and_nothing_else_stays(home, carried):
    found = encoders.find("tiny", carried)
    assert {path.name: path.read_bytes() for path in found.iterdir()} == FILES
    assert everything(home / "cache") == ["encoders/tiny.lock", *(f"encoders/tiny/{name}" for name in sorted(FILES))]


def test_a_zip_in_parts_is_put_together_in_the_order_of_its_numbers(carried_in_parts):
    found = encoders.find("tiny", carried_in_parts)
    assert {path.name: path.read_bytes() for path in found.iterdir()} == FILES


@pytest.mark.parametrize("kind", ["carried", "carried_in_parts"])
def test_the_config_is_that_of_the_encoder_and_not_that_of_its_pooling(kind, request):
    found = encoders.find("tiny", request.getfixturevalue(kind))
    assert (found / "config.json").read_bytes() == b'{"of": "encoder"}'


def test_a_package_is_neither_imported_nor_installed(carried):
    encoders.find("tiny", carried)
    assert "tiny_weights" not in sys.modules
    assert importlib.util.find_spec("tiny_weights") is None


def test_parts_without_the_last_one_are_no_zip(carried_in_parts):
    second, first, _ = carried_in_parts.carrier.wheels
    with pytest.raises(EncoderError, match="the packages: File is not a zip file"):
        encoders.find("tiny", encoder(wheels=(first, second), zip_parts="tiny.zip"))


def test_a_package_without_the_files_is_named(index):
    other = index("other-weights", CODE)
    with pytest.raises(EncoderError, match=r"the packages: no folder in other-weights==1\.0 holds config\.json"):
        encoders.find("tiny", encoder(wheels=(other,)))


def test_a_gap_between_the_parts_is_named(carried_in_parts):
    second, _, third = carried_in_parts.carrier.wheels
    with pytest.raises(EncoderError, match=r"the packages: of the parts of tiny.zip, only \[2, 3\] are there"):
        encoders.find("tiny", encoder(wheels=(second, third), zip_parts="tiny.zip"))


def test_a_package_of_other_bytes_is_refused(home, carried):
    pack(home / "index" / "tiny-weights.whl", {"other": b""})
    with pytest.raises(fetch.RefusedError) as error:
        encoders.find("tiny", carried)
    other = bundle.digest(home / "index" / "tiny-weights.whl")
    assert message(error) == (
        f"{home}/cache/wheels/tiny-weights-1.0.whl is not the file that was pinned. Got: 'sha256 {other}'. "
        f"Allowed: sha256 {carried.carrier.wheels[0].sha256}. "
        "It was deleted; run the same command again, or pin what the index offers."
    )


def test_other_weights_in_a_package_are_refused_before_they_get_their_name(home, carried):
    with pytest.raises(fetch.RefusedError) as error:
        encoders.find("tiny", carried.model_copy(update={"sha256": "0" * 64}))
    assert message(error) == (
        f"The model.safetensors in tiny-weights==1.0 is not the file that was pinned. Got: 'sha256 {SHA256}'. "
        f"Allowed: sha256 {'0' * 64}. Name other packages; "
        "or pin its sha256 in configs/encoders/tiny.yaml, if you trust it."
    )
    assert everything(home / "cache") == ["encoders/tiny.lock", "wheels/tiny-weights-1.0.whl"]


def test_an_interrupt_while_unpacking_leaves_nothing_half_written(home, carried, monkeypatch):
    def interrupted(source, target, size):
        target.write(source.read(3))
        raise KeyboardInterrupt

    monkeypatch.setattr(encoders.shutil, "copyfileobj", interrupted)
    with pytest.raises(KeyboardInterrupt):
        encoders.find("tiny", carried)
    assert everything(home / "cache") == ["encoders/tiny.lock", "wheels/tiny-weights-1.0.whl"]


def test_what_a_killed_process_left_is_swept_away(home, carried):
    lay(home / "cache" / "encoders" / ".tiny.draft", {"joined.zip": b"half"})
    encoders.find("tiny", carried)
    assert not (home / "cache" / "encoders" / ".tiny.draft").exists()


def test_two_that_want_the_same_encoder_fetch_it_once(home, carried, monkeypatch):
    fetched = []
    slow = fetch.wheel
    monkeypatch.setattr(fetch, "wheel", lambda *what: fetched.append(what) or time.sleep(0.2) or slow(*what))
    both = [threading.Thread(target=encoders.find, args=("tiny", carried)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert len(fetched) == 1


# --- the hub


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as its client needs for one small repository."""

    def do_HEAD(self):
        content = FILES.get(self.path.removeprefix("/maker/tiny/resolve/main/"), b"")
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        return content

    def do_GET(self):
        if self.path.startswith("/maker/tiny/"):  # its client asks for a list of its own, too
            self.server.asked.append(self.path.rpartition("/")[2])
        self.wfile.write(self.do_HEAD())

    def log_message(self, *args):
        pass


@pytest.fixture
def hub(monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as running:
        running.asked = []
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{running.server_port}"
        monkeypatch.setattr(constants, "ENDPOINT", url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
        yield running
        running.shutdown()
        thread.join()


def test_the_hub_is_asked_for_the_three_files_and_for_no_other(hub):
    found = encoders.find("tiny", encoder())
    assert {path.name: path.read_bytes() for path in found.iterdir()} == FILES
    assert sorted(hub.asked) == sorted(FILES)


def test_what_came_from_the_hub_is_found_without_it(hub):
    found = encoders.find("tiny", encoder())
    assert encoders.find("tiny", encoder(), offline=True) == found


def test_the_progress_of_the_hub_is_shown_as_ours_and_not_as_its_own(hub, monkeypatch, capfd):
    steps = []
    monkeypatch.setattr(encoders, "task", lambda *what: contextlib.nullcontext(steps.append))
    encoders.find("tiny", encoder())
    assert sum(steps) == sum(map(len, FILES.values()))
    assert capfd.readouterr() == ("", "")


def test_other_weights_from_the_hub_are_refused(hub):
    with pytest.raises(fetch.RefusedError, match="is not the file that was pinned"):
        encoders.find("tiny", encoder(sha256="0" * 64))


def test_a_hub_that_refuses_connections_is_noticed_at_once(carried):
    start = time.perf_counter()
    encoders.find("tiny", carried)
    assert time.perf_counter() - start < 2


def test_a_hub_that_is_silent_is_given_up_after_some_seconds(carried, monkeypatch):
    monkeypatch.setattr(encoders, "PROBE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        start = time.perf_counter()
        encoders.find("tiny", carried)
    assert time.perf_counter() - start < 2


def test_the_hub_is_not_asked_when_its_own_variable_forbids_it(hub, carried, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    encoders.find("tiny", carried)
    assert hub.asked == []


def test_offline_asks_neither_the_hub_nor_the_packages(hub, carried, monkeypatch):
    monkeypatch.setattr(fetch, "wheel", lambda *what: pytest.fail("asked"))
    with pytest.raises(EncoderError):
        encoders.find("tiny", carried, offline=True)
    assert hub.asked == []


# --- nowhere


def test_an_encoder_that_is_nowhere_lists_what_was_tried(home, monkeypatch):
    monkeypatch.setenv("STANCEMAP_ENCODERS", str(home / "mine"))
    with pytest.raises(EncoderError) as error:
        encoders.find("tiny", encoder())
    assert message(error) == (
        "The encoder tiny was found nowhere:\n"
        f"  - $STANCEMAP_ENCODERS: {home}/mine/tiny does not exist\n"
        f"  - the cache {home}/cache/encoders/tiny: {home}/cache/encoders/tiny does not exist\n"
        "  - the hub's cache: it lacks config.json, tokenizer.json, model.safetensors of maker/tiny at revision main\n"
        f"  - the hub: {constants.ENDPOINT} gave no answer within 3 s\n"
        "  - the packages: configs/encoders/tiny.yaml names none\n"
        "Connect to a network and run the same command again, or put config.json, tokenizer.json, model.safetensors "
        "into a folder FOLDER/tiny and set STANCEMAP_ENCODERS=FOLDER."
    )


def test_an_encoder_that_is_not_on_this_machine_says_that_only_this_machine_was_searched(home):
    with pytest.raises(EncoderError) as error:
        encoders.find("tiny", encoder(), offline=True)
    assert message(error) == (
        "The encoder tiny was found nowhere:\n"
        "  - the hub and the packages: not asked, because only this machine was to be searched\n"
        f"  - the cache {home}/cache/encoders/tiny: {home}/cache/encoders/tiny does not exist\n"
        "  - the hub's cache: it lacks config.json, tokenizer.json, model.safetensors of maker/tiny at revision main\n"
        "Connect to a network and run the same command again, or put config.json, tokenizer.json, model.safetensors "
        "into a folder FOLDER/tiny and set STANCEMAP_ENCODERS=FOLDER."
    )


def test_a_package_that_breaks_off_is_listed_with_the_places_before_it(carried, monkeypatch):
    def broken(wheel, folder):
        raise EncoderError("The download of tiny-weights-1.0.whl broke off.")

    monkeypatch.setattr(fetch, "wheel", broken)
    with pytest.raises(EncoderError, match=r"the packages: The download of tiny-weights-1\.0\.whl broke off\n"):
        encoders.find("tiny", carried)


def test_a_library_that_is_missing_is_named_with_the_way_to_get_it(carried, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.setitem(sys.modules, "filelock", None)
    with pytest.raises(EncoderError, match=r"filelock is not installed \(pip install 'stancemap\[train\]'\)"):
        encoders.find("tiny", carried)


# --- the encoders of the repository


@pytest.mark.parametrize("name", ["all-MiniLM-L6-v2", "all-mpnet-base-v2"])
def test_the_configs_of_the_repository_pin_weights_and_packages(name):
    shipped = Path(__file__).parents[2] / "configs" / "encoders" / f"{name}.yaml"
    read = schema.read(shipped, config.Encoder)
    assert (read.hub, read.max_length) == (f"sentence-transformers/{name}", 128)
    assert read.sha256 is not None
    assert read.carrier is not None
