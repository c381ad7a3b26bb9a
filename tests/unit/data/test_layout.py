"""What a tree of photographs is taken for, and what is refused because it could be two things."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from arc.core.errors import BadData, TooLarge
from arc.data.layout import Layout, recognise
from arc.data.names import class_of


def look(root: Path, files: Iterable[str], *, table: str | None = None, most: int = 1000) -> Layout:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(b"")
    if table is not None:
        (root / "labels.csv").write_text(table, encoding="utf-8")
    return recognise(root, most_files=most)


def labels(layout: Layout) -> dict[str, str | None]:
    return {photo.file: photo.label for photo in layout.photographs}


def masks(layout: Layout) -> dict[str, tuple[str, ...]]:
    return {photo.file: (photo.annotation.kind, *photo.annotation.files) for photo in layout.photographs if photo.annotation}


@pytest.mark.parametrize(
    ("ill", "well"),
    [("glaucoma", "normal"), ("Glaucomatous", "HEALTHY"), ("g", "h"), ("1", "0"), ("positive", "negative"), ("pos", "neg"), ("RG", "NRG"), ("glaucoma", "non-glaucoma"), ("Glaucoma", "No Glaucoma")],
)  # fmt: skip
def test_many_names_of_the_two_classes_are_known(tmp_path: Path, ill: str, well: str) -> None:
    found = look(tmp_path, [f"wrap/set/{ill}/a.jpg", f"wrap/set/{well}/b.PNG"])
    assert labels(found) == {f"wrap/set/{ill}/a.jpg": "glaucoma", f"wrap/set/{well}/b.PNG": "normal"}
    assert found.name == "class_folders"


def test_a_suspect_is_neither() -> None:
    assert class_of("suspect") is None


def test_folders_between_the_class_and_the_photograph_do_not_matter(tmp_path: Path) -> None:
    found = look(tmp_path, ["1/normal/left/a.jpg", "1/glaucoma/right/b.jpg"])
    assert sorted(labels(found).values()) == ["glaucoma", "normal"]


def test_a_folder_of_both_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="both classes"):
        look(tmp_path, ["glaucoma/normal/a.jpg", "glaucoma/b.jpg"])


@pytest.mark.parametrize(
    "files",
    [
        [],
        ["notes.txt"],
        ["a.jpg", "b.jpg"],
        ["a.jpg", "b.jpg", "masks/a.png"],
        ["glaucoma/a.jpg"],
        ["glaucoma/a.jpg", "normal/b.jpg", "other/c.jpg"],
        ["suspect/a.jpg", "normal/b.jpg"],
    ],
)
def test_what_cannot_be_told_is_refused_saying_what_is_expected(tmp_path: Path, files: list[str]) -> None:
    with pytest.raises(BadData, match="expected are folders named glaucoma and normal"):
        look(tmp_path, files)


def test_what_computers_add_is_passed_over_and_nested_archives_are_reported(tmp_path: Path) -> None:
    files = ["glaucoma/a.jpg", "normal/b.jpg", "__MACOSX/glaucoma/._a.jpg", "normal/.hidden.jpg", "Thumbs.db", "more.zip", "README.txt"]
    found = look(tmp_path, files)
    assert len(found.photographs) == 2
    assert found.warnings == ("'more.zip' is an archive in the archive and was not opened",)


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "normal").mkdir()
    (tmp_path / "normal" / "link.jpg").symlink_to("/etc/hostname")
    (tmp_path / "loop").symlink_to(tmp_path)
    found = look(tmp_path, ["glaucoma/a.jpg", "normal/b.jpg"])
    assert len(found.photographs) == 2
    assert len(found.warnings) == 2


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TooLarge):
        look(tmp_path, [f"normal/{number}.jpg" for number in range(20)], most=10)


def test_train_and_test_folders_are_told_whatever_wraps_them(tmp_path: Path) -> None:
    found = look(tmp_path, ["train/set/training_set/glaucoma/a.jpg", "train/set/Validation/normal/b.jpg", "train/set/test/normal/c.jpg"])
    assert [photo.split for photo in found.photographs] == ["val", "test", "train"]


def test_a_folder_around_everything_is_no_split(tmp_path: Path) -> None:
    assert {photo.split for photo in look(tmp_path, ["test/glaucoma/a.jpg", "test/normal/b.jpg"]).photographs} == {""}


def test_masks_pair_by_stem_never_by_order(tmp_path: Path) -> None:
    found = look(tmp_path, ["images/glaucoma/b.jpg", "images/normal/a.jpg", "masks/a.png", "masks/b_mask.png"])
    assert masks(found) == {"images/glaucoma/b.jpg": ("labels", "masks/b_mask.png"), "images/normal/a.jpg": ("labels", "masks/a.png")}


def test_masks_of_equal_names_pair_within_their_class(tmp_path: Path) -> None:
    found = look(tmp_path, [f"{kind}/{label}/1.png" for kind in ("images", "masks") for label in ("glaucoma", "normal")])
    assert masks(found) == {f"images/{label}/1.png": ("labels", f"masks/{label}/1.png") for label in ("glaucoma", "normal")}


def test_a_mask_that_fits_two_photographs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="fits 2 photographs"):
        look(tmp_path, ["glaucoma/1.jpg", "normal/1.jpg", "masks/1.png"])


def test_missing_masks_are_counted(tmp_path: Path) -> None:
    assert look(tmp_path, ["glaucoma/1.jpg", "normal/2.jpg", "masks/1.png"]).warnings == ("1 of 2 photographs have no mask",)


def test_a_table_gives_labels_patients_eyes_and_sites(tmp_path: Path) -> None:
    table = "\ufefffile,label,patient,eye,site\npics/a.jpg,1,P1,OD,Jena\nb.jpg,normal,P2,left,\n"
    found = look(tmp_path, ["pics/a.jpg", "pics/b.jpg"], table=table)
    assert found.name == "tables"
    assert [(photo.label, photo.patient, photo.eye, photo.site) for photo in found.photographs] == [
        ("glaucoma", "P1", "R", "Jena"),
        ("normal", "P2", "L", ""),
    ]


def test_a_table_may_add_to_class_folders_but_not_contradict_them(tmp_path: Path) -> None:
    found = look(tmp_path, ["glaucoma/a.jpg", "normal/b.jpg"], table="file,patient\nglaucoma/a.jpg,P1\nnormal/b.jpg,P1\n")
    assert found.name == "class_folders+tables"
    assert {photo.patient for photo in found.photographs} == {"P1"}
    with pytest.raises(BadData, match="says normal"):
        look(tmp_path, [], table="file,label\nglaucoma/a.jpg,0\n")


@pytest.mark.parametrize(
    "table",
    [
        "name,label\na.jpg,1\n", "file,label\n../a.jpg,1\n", "file,label\n/etc/passwd,1\n", "file,label\nhttp://127.0.0.1:1/a.jpg,1\n", "file,label\na.jpg,maybe\n",
        "file,label\na.jpg,1,2\n", "file,label\na.jpg,1\na.jpg,0\n", 'file,label\n"a.jpg,1\n', "file,label\n,1\n", "", "file,patient\na.jpg," + "x" * 300 + "\n",
    ],
)  # fmt: skip
def test_tables_that_cannot_be_trusted_are_refused(tmp_path: Path, table: str) -> None:
    with pytest.raises(BadData):
        look(tmp_path, ["a.jpg", "b.jpg"], table=table)


def test_two_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="2 tables"):
        look(tmp_path, ["glaucoma/a.jpg", "normal/b.jpg", "more/labels.csv"], table="file\na.jpg\n")


def test_a_table_of_other_bytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"file,label\na\xff.jpg,1\n")
    with pytest.raises(BadData, match="UTF-8"):
        look(tmp_path, ["a.jpg"])
