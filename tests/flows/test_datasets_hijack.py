"""An archive with programs in it: it is unpacked and trained on, and nothing of it is ever run.

Modules named like those that a job imports, and files that Python runs or reads when it starts, lie beside the
photographs (RELIABILITY C11). None is kept with the version, hidden files are passed over, and no process starts in it.
"""

import asyncio
from pathlib import Path

from tests.flows.living import completed, living, submit
from tests.unit.data.context import clinic, zipped

RUN_AT_START = ("sitecustomize.py", "usercustomize.py", "evil.pth", "conftest.py", "__main__.py", "__init__.py")
IMPORTED = ("torch.py", "numpy.py", "cv2.py", "json.py", "random.py", "arc.py", "PIL/__init__.py", "images/torch.py")
HIDDEN = (".hidden/x.jpg", ".DS_Store", ".git/config", ".env", "glaucoma/.secret.jpg", "glaucoma/._00_g.jpg", "__MACOSX/glaucoma/00_g.jpg")


def test_programs_in_an_archive_are_never_run_and_hidden_files_never_kept(tmp_path: Path) -> None:
    mark = tmp_path / "PWNED_py_hijack"
    program = f"import pathlib; pathlib.Path({str(mark)!r}).touch()\n".encode()
    members = clinic() | dict.fromkeys((*RUN_AT_START, *IMPORTED), program) | dict.fromkeys(HIDDEN, b"secret")
    (tmp_path / "handed-over").mkdir()
    archive = zipped(tmp_path / "handed-over" / "eyes.zip", members)

    async def story() -> None:
        async with living(tmp_path / "ws", data_roots=[archive.parent]) as app:
            made = await completed(app, submit(app, "data.unpack", {"name": "eyes"}, inputs={"archive": f"path:{archive}"}))
            assert (made.result or {})["files"] == len(clinic())
            small = {"model": "small_cnn", "epochs": 1, "batch_size": 4, "input_size": 32}
            await completed(app, submit(app, "fundus.classify", small, inputs={"dataset": "dataset:eyes"}))

    asyncio.run(story())
    assert not mark.exists()
    kept = {path.suffix for part in ("datasets", "sealed") for path in (tmp_path / "ws" / part / "eyes" / "1").rglob("*") if path.is_file()}
    assert kept <= {".jpg", ".csv", ".json", ".sha256"}
    assert not [path for path in (tmp_path / "ws").rglob("*") if b"PWNED_py_hijack" in path.name.encode()]
