"""The private environment of dev.py: made from a lock file, kept while right, mended when not. The index is a folder: no network."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tools.dev import environment, pip
from tools.dev.trouble import Trouble

PYPROJECT = """
[project]
name = "carbonledger"
version = "1.2.3"
[project.scripts]
carbonledger = "carbonledger.entrypoints.cli.main:main"
[project.entry-points."carbonledger.commands"]
verify = "carbonledger_client.cli:verify"
"""
PRODUCT = "import sys\nimport anvil\nprint(anvil.WEIGHT, *sys.argv[1:])\n"


def wheel(folder: Path, name: str, version: str, code: str) -> str:
    """Make a wheel; return its line in a lock file."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", code)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return f"{name}=={version} \\\n    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small repository, in a path with a space, whose lock files are served from a folder."""
    root, wheels = tmp_path / "my clone", tmp_path / "wheels"
    wheels.mkdir()
    (root / "src/carbonledger/entrypoints/cli").mkdir(parents=True)
    (root / "src/carbonledger/entrypoints/cli/main.py").write_text(PRODUCT)
    (root / "pyproject.toml").write_text(PYPROJECT)
    runtime = wheel(wheels, "anvil", "1.0", "WEIGHT = 50\n")
    (root / environment.RUNTIME).write_text(runtime)
    (root / environment.DEVELOPMENT).write_text(runtime + wheel(wheels, "hammer", "2.0", ""))
    monkeypatch.setattr(environment, "ROOT", root)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.delenv(environment.VARIABLE, raising=False)
    # A user's settings that would send the packages elsewhere, or hide that they are missing.
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("PIP_TARGET", str(tmp_path / "elsewhere"))
    return root


def ask(made: environment.Environment, code: str) -> str:
    return subprocess.run([made.python, "-c", code], capture_output=True, text=True, check=True, cwd="/").stdout.strip()


def test_a_fresh_clone_gets_its_packages_itself_and_its_command(repository: Path) -> None:
    made = environment.ensure(environment.RUNTIME)
    assert made.place == repository / ".venv"
    assert ask(made, "import carbonledger.entrypoints.cli, anvil; print(anvil.WEIGHT)") == "50"
    assert ask(made, "import importlib.metadata as m; print(m.version('carbonledger'))") == "1.2.3"
    assert ask(made, "import importlib.metadata as m; print(m.entry_points(group='carbonledger.commands')['verify'].value)") == (
        "carbonledger_client.cli:verify"
    )
    command = subprocess.run([made.place / "bin/carbonledger", "up", "a b"], capture_output=True, text=True, check=True)
    assert command.stdout == "50 up a b\n"


def test_the_second_time_nothing_is_asked_or_changed(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = environment.ensure(environment.RUNTIME)
    stamp = (first.place / environment.STAMP).read_bytes()
    monkeypatch.setattr(environment, "make", pytest.fail)
    monkeypatch.setattr(environment, "exclusive", pytest.fail)
    assert environment.ensure(environment.RUNTIME) == first
    assert (repository / ".venv" / environment.STAMP).read_bytes() == stamp


def test_the_development_lock_holds_the_runtime_too(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = environment.ensure(environment.DEVELOPMENT)
    assert made.place == repository / ".venv"
    assert ask(made, "import anvil, hammer; print('both')") == "both"
    monkeypatch.setattr(pip, "install", pytest.fail)
    assert environment.ensure(environment.RUNTIME) == made


def test_a_changed_lock_is_installed(repository: Path) -> None:
    environment.ensure(environment.RUNTIME)
    (repository / environment.RUNTIME).write_text(wheel(repository.parent / "wheels", "anvil", "2.0", "WEIGHT = 70\n"))
    assert ask(environment.ensure(environment.RUNTIME), "import anvil; print(anvil.WEIGHT)") == "70"


def test_a_new_version_is_linked_without_pip(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment.ensure(environment.RUNTIME)
    (repository / "pyproject.toml").write_text(PYPROJECT.replace("1.2.3", "1.3.0"))
    monkeypatch.setattr(pip, "install", pytest.fail)
    made = environment.ensure(environment.RUNTIME)
    assert ask(made, "import importlib.metadata as m; print(m.version('carbonledger'))") == "1.3.0"


@pytest.mark.parametrize("upgrade", [False, True])
def test_an_interrupted_installation_is_made_anew(repository: Path, monkeypatch: pytest.MonkeyPatch, *, upgrade: bool) -> None:
    if upgrade:
        environment.ensure(environment.RUNTIME)
        lock = repository / environment.RUNTIME
        lock.write_text(f"# a comment makes it another lock\n{lock.read_text()}")

    def killed(python: Path, lock: Path) -> None:
        (next((python.parents[1] / "lib").iterdir()) / "site-packages/anvil.py").write_text("half a pack")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(pip, "install", killed)
        environment.ensure(environment.RUNTIME)
    made = environment.ensure(environment.RUNTIME)
    assert ask(made, "import anvil; print(anvil.WEIGHT)") == "50"
    assert not (repository / ".venv" / environment.UNFINISHED).exists()


def test_a_copied_clone_does_not_use_the_environment_of_the_first(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment.ensure(environment.RUNTIME)
    copy = repository.rename(repository.with_name("copy"))
    monkeypatch.setattr(environment, "ROOT", copy)
    made = environment.ensure(environment.RUNTIME)
    assert ask(made, "import carbonledger.entrypoints.cli as c; print(list(c.__path__)[0])") == str(
        copy / "src/carbonledger/entrypoints/cli"
    )


def test_a_python_that_is_gone_is_replaced(repository: Path) -> None:
    made = environment.ensure(environment.RUNTIME)
    made.python.unlink()
    made.python.symlink_to("/nowhere/python3")
    assert ask(environment.ensure(environment.RUNTIME), "import anvil; print(anvil.WEIGHT)") == "50"
    assert (repository / ".venv/bin/python").exists()


def test_an_environment_of_another_python_is_left_alone(repository: Path) -> None:
    other = repository / ".venv/pyvenv.cfg"
    other.parent.mkdir()
    other.write_text("home = /usr/bin\nversion = 3.9.2\n")
    assert environment.chosen_place() == repository / f".venv-{sys.version_info[0]}.{sys.version_info[1]}"


def test_a_folder_of_something_else_is_never_emptied(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    thesis = repository.parent / "home/thesis.tex"
    thesis.parent.mkdir()
    thesis.write_text("years of work")
    monkeypatch.setenv(environment.VARIABLE, str(thesis.parent))
    with pytest.raises(Trouble, match="holds something else"):
        environment.ensure(environment.RUNTIME)
    assert thesis.read_text() == "years of work"


def test_a_package_that_is_not_the_locked_one_is_refused(repository: Path) -> None:
    (repository / environment.RUNTIME).write_text("anvil==1.0 \\\n    --hash=sha256:" + "0" * 64 + "\n")
    with pytest.raises(Trouble, match="is not the one that was locked"):
        environment.ensure(environment.RUNTIME)
    assert environment.Environment(repository / ".venv").stamp() == {}


def test_an_index_without_the_package_is_named_as_the_cause(repository: Path) -> None:
    (repository / environment.RUNTIME).write_text("crane==1.0 \\\n    --hash=sha256:" + "0" * 64 + "\n")
    with pytest.raises(Trouble, match="index can't be reached"):
        environment.ensure(environment.RUNTIME)


def test_two_at_once_install_once(repository: Path) -> None:
    code = f"""
import sys; sys.path.insert(0, {str(Path(environment.__file__).parents[2])!r})
from pathlib import Path
from tools.dev import environment
environment.ROOT = Path({str(repository)!r})
environment.ensure(environment.RUNTIME)
"""
    both = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = "".join(child.communicate()[1] for child in both)
    assert [child.returncode for child in both] == [0, 0]
    assert said.count(": done in ") == 1, said


# what pip says, what dev.py makes of it
CAUSES = [
    ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "The disk is full"),
    ("WARNING: Retrying … NameResolutionError: Failed to resolve 'index.example'", "index can't be reached"),
    ("ERROR: No matching distribution found for uvloop==0.23.0\nERROR: … (from versions: 0.1, 0.2)", "not to be had for this Python"),
    ("THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "not the one that was locked"),
    ("ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED]", "PIP_CERT"),
    ("ProxyError('Cannot connect to proxy.')", "HTTPS_PROXY"),
    ("PermissionError: [Errno 13] Permission denied: '/x'", "can't be written"),
    ("Segmentation fault", "Segmentation fault"),  # what is not known is shown, not hidden
]


@pytest.mark.parametrize("output,said", CAUSES)
def test_a_failure_of_pip_becomes_a_sentence_with_a_remedy(output: str, said: str) -> None:
    with pytest.raises(Trouble, match=said):
        pip.complain(output)


def test_a_full_disk_is_told_before_anything_is_fetched(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(environment.DISK_FREE_MIN_MB, environment.RUNTIME, 10**12)
    with pytest.raises(Trouble, match=f"{repository}/.venv has only .* free, the packages need about"):
        environment.ensure(environment.RUNTIME)


def test_a_place_that_cannot_be_written_names_the_variable(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (repository / "file").touch()
    monkeypatch.setenv(environment.VARIABLE, str(repository / "file/venv"))
    with pytest.raises(Trouble, match=f"can't be written .*set {environment.VARIABLE}"):
        environment.ensure(environment.RUNTIME)
