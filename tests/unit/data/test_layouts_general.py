"""Trees of no known dataset: masks beside photographs, tables as clinics write them, mappings, and contradictions."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arc.core.errors import ArcError, BadData, InvalidSpec, TooLarge
from arc.data import labels
from arc.data.names import patient_of, words_of
from tests.unit.data.trees import facts, masks, plant, rezipped, seen, workbook

TWO = ["glaucoma/a.jpg", "normal/b.jpg"]


@pytest.mark.parametrize(
    ("files", "made"),
    [
        (["img/1.jpg", "masks/1.png"], ("labels", "1.png")),
        (["img/P1_OD.jpg", "masks/P1_OD.png"], ("labels", "P1_OD.png")),
        (["img/1.jpg", "GT/disc/1.png", "GT/cup/1.png"], ("disc_cup", "1.png", "1.png")),
        (["img/1.jpg", "disc_masks/1.png", "cup_masks/1.png"], ("disc_cup", "1.png", "1.png")),
        (["img/1.jpg", "masks/1_OC.png", "masks/1_OD.png"], ("disc_cup", "1_OD.png", "1_OC.png")),
        (["1.jpg", "1_cup.png", "1_disc.png"], ("disc_cup", "1_disc.png", "1_cup.png")),
        (["1.jpg", "1_seg.png"], ("labels", "1_seg.png")),
        (["1.jpg", "1-optic-disc-mask.png"], ("labels", "1-optic-disc-mask.png")),
        (["img/1.jpg", "contours/1_disc.txt", "contours/1_cup.txt", "readme.txt"], ("contours", "1_disc.txt", "1_cup.txt")),
    ],
)
def test_masks_pair_by_folder_or_ending(tmp_path: Path, files: list[str], made: tuple[str, ...]) -> None:
    found = seen(plant(tmp_path, files))
    assert (found.name, found.task, len(found.photographs)) == ("sibling_masks", "segmentation", 1)
    assert next(iter(masks(found).values())) == made


@pytest.mark.parametrize(
    "files",
    [
        ["img/1.jpg", "masks/1.png", "masks/1_mask.png"],
        ["img/1.jpg", "masks/a/1.png", "masks/b/1.png"],
        ["img/1.jpg", "masks/1_cup.png"],
        ["img/x/1.jpg", "img/y/1.jpg", "masks/1.png"],
        ["img/1.jpg", "img/1.png", "masks/1.png"],
    ],
)
def test_masks_that_pair_twice_or_with_nothing_whole_are_refused(tmp_path: Path, files: list[str]) -> None:
    with pytest.raises(BadData, match=r"pair(ed)? by the name"):
        seen(plant(tmp_path, files))


def test_a_right_eye_is_no_mask_of_a_disc(tmp_path: Path) -> None:
    found = seen(plant(tmp_path, ["glaucoma/P1.jpg", "glaucoma/P1_OD.jpg", "normal/P2_OS.jpg"]))
    assert (len(found.photographs), masks(found)) == (3, {})


def test_masks_without_a_photograph_are_told(tmp_path: Path) -> None:
    assert "1 masks belong to no photograph" in seen(plant(tmp_path, ["img/1.jpg", "masks/1.png", "masks/7.png"])).warnings[0]


def test_a_workbook_gives_labels_patients_and_splits(tmp_path: Path) -> None:
    plant(tmp_path, ["data/a.jpg", "data/b.jpg"])
    workbook(
        tmp_path / "clinic.xlsx",
        [["Image Name", "Diagnosis", "Patient ID", "Laterality", "Split"], ["a", 1.0, 17, "OD", "train"], ["b.jpg", 0, 18, "OS", "test"]],
    )
    found = seen(tmp_path)
    assert found.name == "tables"
    assert facts(found, "label", "patient", "eye", "split") == {
        "a.jpg": ("glaucoma", "17", "R", "train"),
        "b.jpg": ("normal", "18", "L", "test"),
    }


def test_formulas_are_never_worked_out(tmp_path: Path) -> None:
    plant(tmp_path, ["a.jpg", "b.jpg"])
    workbook(
        tmp_path / "labels.xlsx", [["file", "label", "site"], ["a.jpg", 1, '=HYPERLINK("http://127.0.0.1:1/x","y")'], ["b.jpg", 0, "Jena"]]
    )
    assert facts(seen(tmp_path), "site") == {"a.jpg": ("",), "b.jpg": ("Jena",)}


@pytest.mark.parametrize(
    "text", ["file;label\na.jpg;1\nb.jpg;0\n", "file\tlabel\na.jpg\t1\nb.jpg\t0\n", "\ufefffile,label\r\na.jpg,1\r\nb.jpg,0\r\n"]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_csv_as_spreadsheets_write_it(tmp_path: Path, text: str, encoding: str) -> None:
    plant(
        tmp_path, {"a.jpg": b"", "b.jpg": b"", "labels.csv": text.removeprefix("\ufeff" if encoding == "utf-16" else "").encode(encoding)}
    )
    assert facts(seen(tmp_path), "label") == {"a.jpg": ("glaucoma",), "b.jpg": ("normal",)}


def test_a_formula_in_a_text_column_is_text(tmp_path: Path) -> None:
    plant(tmp_path, {"a.jpg": "", "b.jpg": "", "labels.csv": "file,label,patient\na.jpg,1,=1+1\nb.jpg,0,@x\n"})
    assert facts(seen(tmp_path), "patient") == {"a.jpg": ("=1+1",), "b.jpg": ("@x",)}


@pytest.mark.parametrize(
    "cell", ["=cmd|' /C calc'!A0", "+a.jpg", "@SUM(1)", "file:///etc/passwd", "http://127.0.0.1:1/a.jpg", "//host/a.jpg", "C:\\a.jpg", "..\\a.jpg", "/etc/passwd"]
)  # fmt: skip
def test_what_is_no_file_beside_the_table_is_refused(tmp_path: Path, cell: str) -> None:
    plant(tmp_path, {"a.jpg": "", "b.jpg": "", "labels.csv": f"file,label\nb.jpg,1\n{cell},0\n"})
    with pytest.raises(BadData, match="line 3"):
        seen(tmp_path)


def test_hostile_workbooks_are_refused(tmp_path: Path) -> None:
    plant(tmp_path, ["a.jpg"])
    (tmp_path / "labels.xlsx").write_bytes(b"PK\x03\x04 no workbook")
    with pytest.raises(BadData):
        seen(tmp_path)
    workbook(tmp_path / "labels.xlsx", [["file", "label"], ["a.jpg", 1]])
    rezipped(tmp_path / "labels.xlsx", {"xl/media/x.bin": bytes(300 << 20)})
    with pytest.raises(TooLarge, match="unpacks to more"):
        seen(tmp_path)


def test_an_entity_bomb_in_a_workbook_ends_in_the_sandbox(tmp_path: Path) -> None:
    plant(tmp_path, ["a.jpg"])
    workbook(tmp_path / "labels.xlsx", [["file", "label"], ["a.jpg", 1]])
    entities = "".join(f'<!ENTITY e{at} "{f"&e{at - 1};" * 10}">' for at in range(1, 12))
    bomb = f'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY e0 "aaaaaaaaaa">{entities}]><sst><si><t>&e11;</t></si></sst>'
    rezipped(tmp_path / "labels.xlsx", {"xl/sharedStrings.xml": bomb.encode()})
    with pytest.raises((BadData, TooLarge)):
        seen(tmp_path)


def test_a_mapping_says_what_columns_and_values_are_called(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "a.jpg": "",
            "b.jpg": "",
            "c.jpg": "",
            "x.csv": "bild,befund,wer,teil\na.jpg,krank,P1,T1\nb.jpg,gesund,P2,T2\nc.jpg,unklar,P3,T2\n",
        },
    )
    mapping = {"file": "Bild", "label": "befund", "patient": "wer", "split": "teil", "label:krank": "glaucoma", "label:gesund": "normal", "label:unklar": "skip", "split:T1": "train", "split:T2": "test"}  # fmt: skip
    found = seen(tmp_path, mapping=mapping)
    assert facts(found, "label", "patient", "split") == {"a.jpg": ("glaucoma", "P1", "train"), "b.jpg": ("normal", "P2", "test")}
    assert "1 photographs were left out, as the mapping says" in found.warnings


def test_a_mapping_decides_about_suspects_in_folders(tmp_path: Path) -> None:
    plant(tmp_path, [*TWO, "suspect/c.jpg"])
    with pytest.raises(BadData, match="belong to no class"):
        seen(tmp_path)
    assert facts(seen(tmp_path, mapping={"label:suspect": "glaucoma"}), "label")["c.jpg"] == ("glaucoma",)


@pytest.mark.parametrize("mapping", [{"colour": "x"}, {"label:1": "ill"}, {"split:a": "b"}, {"patient:1": "x"}])
def test_a_mapping_that_says_nothing_is_refused(mapping: dict[str, str]) -> None:
    with pytest.raises(InvalidSpec, match="not understood"):
        words_of(mapping)


def test_a_mapping_to_what_is_not_there_is_refused(tmp_path: Path) -> None:
    plant(tmp_path, dict.fromkeys(TWO, "") | {"labels.csv": "file,label\nglaucoma/a.jpg,1\n"})
    for mapping in ({"patient": "who"}, {"table": "other.csv"}):
        with pytest.raises(BadData) as caught:
            seen(tmp_path, mapping=mapping)
        assert caught.value.field == "mapping"


def test_two_tables_that_speak_of_files_need_a_mapping(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "a.jpg": "",
            "b.jpg": "",
            "one.csv": "file,label\na.jpg,1\nb.jpg,0\n",
            "two.csv": "file,label\na.jpg,0\nb.jpg,1\n",
            "notes.csv": "x,y\n1,2\n",
        },
    )
    with pytest.raises(BadData, match="mapping table = FILE"):
        seen(tmp_path)
    assert facts(seen(tmp_path, mapping={"table": "two.csv"}), "label") == {"a.jpg": ("normal",), "b.jpg": ("glaucoma",)}


def test_folders_and_table_that_contradict_are_refused_with_the_ways_to_decide(tmp_path: Path) -> None:
    plant(tmp_path, dict.fromkeys(TWO, "") | {"labels.csv": "file,label\nglaucoma/a.jpg,0\nnormal/b.jpg,1\n"})
    with pytest.raises(BadData, match="--layout class_folders or --layout tables"):
        seen(tmp_path)
    assert facts(seen(tmp_path, layout="tables"), "label") == {"a.jpg": ("normal",), "b.jpg": ("glaucoma",)}
    assert facts(seen(tmp_path, layout="class_folders"), "label") == {"a.jpg": ("glaucoma",), "b.jpg": ("normal",)}


def test_two_ways_to_draw_a_mask_are_refused_with_the_ways_to_decide(tmp_path: Path) -> None:
    plant(tmp_path, {"img/a.jpg": "", "img/a.json": '{"shapes": []}', "masks/a.png": ""})
    with pytest.raises(BadData, match="--layout sibling_masks or --layout polygons"):
        seen(tmp_path)
    assert masks(seen(tmp_path, layout="sibling_masks")) == {"a.jpg": ("labels", "a.png")}


def test_a_split_of_the_table_and_one_of_the_folders_must_agree(tmp_path: Path) -> None:
    files = {"train/glaucoma/a.jpg": "", "test/normal/b.jpg": "", "labels.csv": "file,split\na.jpg,train\nb.jpg,train\n"}
    with pytest.raises(BadData, match="lies in a folder of test, but the table says train"):
        seen(plant(tmp_path, files))


def test_a_table_may_name_the_masks(tmp_path: Path) -> None:
    plant(tmp_path, {"a.jpg": "", "b.jpg": "", "x/1.png": "", "x/2.png": "", "labels.csv": "file,mask\na.jpg,x/2.png\nb.jpg,x/1.png\n"})
    found = seen(tmp_path)
    assert (found.task, masks(found)) == ("segmentation", {"a.jpg": ("labels", "2.png"), "b.jpg": ("labels", "1.png")})


@pytest.mark.parametrize(
    ("folders", "patient"),
    [
        (["glaucoma", "patient_0042"], "0042"), (["Patient 7", "normal"], "7"), (["subject-A12"], "A12"), (["patients", "Miller"], "Miller"), (["patientID_9"], "9"),
        (["patient"], None), (["patient_photos"], None), (["P01"], None), (["glaucoma", "left"], None), ([], None),
    ],
)  # fmt: skip
def test_folders_may_name_the_patient_but_nothing_is_guessed(folders: list[str], patient: str | None) -> None:
    assert patient_of(tuple(folders)) == patient


def test_a_table_knows_the_patient_better_than_a_folder(tmp_path: Path) -> None:
    files = dict.fromkeys(["glaucoma/patient_1/a.jpg", "normal/patient_2/b.jpg"], "") | {"labels.csv": "file,patient\na.jpg,X\n"}
    assert facts(seen(plant(tmp_path, files)), "patient") == {"a.jpg": ("X",), "b.jpg": ("2",)}


def test_masks_alone_are_not_taken_for_photographs(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="belong to no class"):
        seen(
            plant(
                tmp_path,
                [f"RIM-ONE_DL_reference_segmentations/{label}/r1_Im001-1-Disc-T.png" for label in ("glaucoma", "normal")] + ["LICENSE.csv"],
            )
        )


def test_dicom_without_a_suffix_is_found_and_its_index_passed_over(tmp_path: Path) -> None:
    head = bytes(128) + b"DICM"
    found = seen(plant(tmp_path, {"glaucoma/IM0001": head, "normal/IM0002": head, "DICOMDIR": head, "normal/README": b"text"}))
    assert facts(found, "label") == {"IM0001": ("glaucoma",), "IM0002": ("normal",)}


def test_pictures_of_a_kind_that_is_not_read_are_not_passed_over(tmp_path: Path) -> None:
    assert len(seen(plant(tmp_path, [*TWO, "normal/c.webp"])).photographs) == 3


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=300) | st.text(alphabet='file,label;\t\n"a.jpg10=\ufeff', max_size=80).map(str.encode))
def test_no_table_gets_past_the_error_tree(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    root: Any = tmp_path_factory.mktemp("table")
    (root / "t.csv").write_bytes(data)
    try:
        labels.read(root, "t.csv", words_of({}))
    except ArcError:
        pass
