"""The published trees of public datasets, rebuilt with empty files: each is recognised without a word from the user.

Sources of the trees stand with each test and in `docs/reference/layouts.md`.
"""

import json
from pathlib import Path

import pytest

from arc.core.errors import BadData, InvalidSpec
from tests.unit.data.trees import facts, masks, plant, seen, workbook

CLASSES = ("glaucoma", "normal")


def rim_one_dl(root: Path, *, partitions: tuple[str, ...] = ("partitioned_by_hospital", "partitioned_randomly")) -> Path:
    """https://github.com/miag-ull/rim-one-dl: the two archives it links to, unpacked side by side."""
    files = ["RIM-ONE_DL_images/LICENSE.txt"]
    for partition in partitions:
        swap = partition == "partitioned_randomly"
        files += [
            f"RIM-ONE_DL_images/{partition}/{'test' if swap else 'training'}_set/{label}/r2_Im00{at}.png"
            for at, label in enumerate(CLASSES)
        ]
        files += [
            f"RIM-ONE_DL_images/{partition}/{'training' if swap else 'test'}_set/{label}/r1_Im00{at}.png"
            for at, label in enumerate(CLASSES)
        ]
    for at, label in enumerate(CLASSES):
        for stem in (f"r1_Im00{at}", f"r2_Im00{at}"):
            files += [
                f"RIM-ONE_DL_reference_segmentations/{label}/{stem}-1-{part}-T.{kind}"
                for part in ("Disc", "Cup")
                for kind in ("png", "txt")
            ]
    return plant(root, files)


def test_rim_one_dl_is_taken_by_hospital_and_each_photograph_once(tmp_path: Path) -> None:
    found = seen(rim_one_dl(tmp_path))
    assert (found.name, found.task) == ("rim_one_dl_by_hospital", "classification")
    assert facts(found, "label", "site", "split") == {
        "r2_Im000.png": ("glaucoma", "HUC", "train"),
        "r2_Im001.png": ("normal", "HUC", "train"),
        "r1_Im000.png": ("glaucoma", "HUMS or HCSC", "test"),
        "r1_Im001.png": ("normal", "HUMS or HCSC", "test"),
    }
    assert masks(found)["r1_Im000.png"] == ("disc_cup", "r1_Im000-1-Disc-T.png", "r1_Im000-1-Cup-T.png")
    assert "--layout rim_one_dl_at_random takes the other" in found.warnings[0]


def test_rim_one_dl_at_random_when_asked_or_alone(tmp_path: Path) -> None:
    asked = seen(rim_one_dl(tmp_path / "both"), layout="rim_one_dl_at_random")
    assert facts(asked, "site", "split")["r2_Im000.png"] == ("HUC", "test")
    alone = seen(rim_one_dl(tmp_path / "one", partitions=("partitioned_randomly",)))
    assert alone.name == "rim_one_dl_at_random"
    assert facts(alone, "site", "split")["r1_Im000.png"] == ("", "train")


def test_rim_one_r2_says_that_its_glaucoma_holds_suspects(tmp_path: Path) -> None:
    """http://medimrg.webs.ull.es/research/retinal-imaging/rim-one: two folders, JPEG with `-gt` masks beside them."""
    files = [
        "Glaucoma and glaucoma suspicious/Im001.jpg",
        "Glaucoma and glaucoma suspicious/Im001-gt.png",
        "Normal/Im256.jpg",
        "Normal/Im256-gt.png",
    ]
    found = seen(plant(tmp_path / "RIM-ONE r2", files).parent)
    assert (found.name, facts(found, "label")) == ("rim_one_r2", {"Im001.jpg": ("glaucoma",), "Im256.jpg": ("normal",)})
    assert masks(found)["Im256.jpg"] == ("labels", "Im256-gt.png")
    assert "suspects" in found.warnings[0]


def drishti(root: Path, *, table: bool = True) -> Path:
    """https://cvit.iiit.ac.in/projects/mip/drishti-gs: Training and Test, soft maps in a folder a photograph, a workbook."""
    base = "Drishti-GS1_files/Drishti-GS1_files"
    files = []
    for folder, gt, numbers in (("Training", "GT", ("002", "004")), ("Test", "Test_GT", ("001", "003"))):
        for stem in (f"drishtiGS_{number}" for number in numbers):
            files += [f"{base}/{folder}/Images/{stem}.png", f"{base}/{folder}/{gt}/{stem}/AvgBoundary/{stem}_CupAvgBoundary.txt"]
            files += [f"{base}/{folder}/{gt}/{stem}/SoftMap/{stem}_{part}segSoftmap.png" for part in ("OD", "cup")]
            files += [f"{base}/{folder}/{gt}/{stem}/{stem}_cdrValues.txt"]
    if table:
        rows = [["Sl No", "Drishti-GS File", "Patient ID", "Marking 1", "Total"]]
        rows += [[at, f"drishtiGS_00{at}'", f"P{at // 3}", "x", "Glaucomatous" if at % 2 else "Normal"] for at in (1, 2, 3, 4)]
        workbook(root / "Drishti-GS1_files/Drishti-GS1_diagnosis.xlsx", [["Diagnoses of Drishti-GS1"], [], ["as marked by experts"], *rows])
    return plant(root, files)


def test_drishti_has_soft_maps_diagnoses_and_patients_from_its_workbook(tmp_path: Path) -> None:
    found = seen(drishti(tmp_path))
    assert (found.name, found.task) == ("drishti_gs", "classification")
    assert facts(found, "label", "patient", "split") == {
        "drishtiGS_001.png": ("glaucoma", "P0", "test"),
        "drishtiGS_002.png": ("normal", "P0", "train"),
        "drishtiGS_003.png": ("glaucoma", "P1", "test"),
        "drishtiGS_004.png": ("normal", "P1", "train"),
    }
    assert masks(found)["drishtiGS_002.png"] == ("soft", "drishtiGS_002_ODsegSoftmap.png", "drishtiGS_002_cupsegSoftmap.png")


def test_drishti_without_its_workbook_is_a_set_of_masks(tmp_path: Path) -> None:
    found = seen(drishti(tmp_path, table=False))
    assert (found.task, len(masks(found))) == ("segmentation", 4)
    assert set(facts(found, "label").values()) == {(None,)}


def test_drishti_with_the_workbook_of_notching_alone_has_its_classes(tmp_path: Path) -> None:
    """https://github.com/subhamshome/optic-disc-segmentation-drishtigs: this workbook, and photographs in `Images/ALL`."""
    rows = [[at, "N", "I", "G" if at % 2 else "N", None] for at in range(1, 102)]
    workbook(
        drishti(tmp_path, table=False) / "Training/GT/Notching___Image__level_decisions.xlsx",
        [["IMAGE NUMBER", "TILT(Y/N)", "Notching direction", "Normal/Glaucomal"], *rows],
    )
    found = seen(tmp_path)
    assert (found.task, facts(found, "label", "patient")["drishtiGS_003.png"]) == ("classification", ("glaucoma", None))


def refuge(root: Path) -> Path:
    """https://refuge.grand-challenge.org: the archives of photographs and of ground truth, unpacked side by side."""
    truth = "Annotation-Training400/Annotation-Training400/Disc_Cup_Masks"
    files = [
        "REFUGE-Training400/Training400/Glaucoma/g0001.jpg", "REFUGE-Training400/Training400/Non-Glaucoma/n0001.jpg",
        f"{truth}/Glaucoma/g0001.bmp", f"{truth}/Non-Glaucoma/n0001.bmp",
        "REFUGE-Validation400/REFUGE-Validation400/V0001.jpg", "REFUGE-Validation400-GT/Disc_Cup_Masks/V0001.bmp",
        "REFUGE-Test400/Test400/T0001.jpg", "REFUGE-Test-GT/Disc_Cup_Masks/G/T0001.bmp",
    ]  # fmt: skip
    workbook(
        root / "REFUGE-Test-GT/Glaucoma_label_and_Fovea_location.xlsx",
        [["ID", "ImgName", "Label(Glaucoma=1)", "Fovea_X"], [1, "T0001.jpg", 1, 5.5]],
    )
    workbook(
        root / "Annotation-Training400/Annotation-Training400/Fovea_location.xlsx", [["ID", "ImgName", "Fovea_X"], [1, "g0001.jpg", 5.5]]
    )
    return plant(root, files)


def test_refuge_leaves_out_and_names_what_has_no_class(tmp_path: Path) -> None:
    found = seen(refuge(tmp_path))
    assert (found.name, found.task) == ("refuge", "classification")
    assert facts(found, "label", "split") == {
        "g0001.jpg": ("glaucoma", "train"),
        "n0001.jpg": ("normal", "train"),
        "T0001.jpg": ("glaucoma", "test"),
    }
    assert masks(found)["T0001.jpg"] == ("labels", "T0001.bmp")
    assert "V0001.jpg" in found.warnings[0]


def test_the_common_copy_of_refuge_is_read_from_its_indices(tmp_path: Path) -> None:
    """The copy on Kaggle (glaucoma-datasets): `{train,val,test}/{Images,Masks}` and an index.json each; squared copies are passed over."""
    files: dict[str, str] = {}
    for split, letter in (("train", "g"), ("val", "V"), ("test", "T")):
        files |= {
            f"REFUGE/{split}/{folder}/{letter}000{at}.{kind}": ""
            for at in (1, 2)
            for folder, kind in (("Images", "jpg"), ("Masks", "png"), ("Images_Square", "jpg"))
        }
        files[f"REFUGE/{split}/index.json"] = json.dumps({str(at): {"ImgName": f"{letter}000{at}.jpg", "Label": at - 1} for at in (1, 2)})
    found = seen(plant(tmp_path, files))
    assert (found.name, len(found.photographs)) == ("refuge", 6)
    assert facts(found, "label", "split")["V0002.jpg"] == ("glaucoma", "val")
    assert masks(found)["V0002.jpg"] == ("labels", "V0002.png")


def g1020(root: Path) -> Path:
    """https://www.dfki.uni-kl.de/g1020 as commonly copied: a LabelMe JSON beside each photograph, cropped copies, a table."""
    files = {
        f"G1020/{folder}/image_{at}.{kind}": ""
        for at in (0, 1)
        for folder, kind in (("Images", "jpg"), ("Images", "json"), ("Masks", "png"), ("Images_Square", "jpg"))
    }
    return plant(root, files | {"G1020/G1020.csv": "imageID,binaryLabels\nimage_0.jpg,0\nimage_1.jpg,1\n"})


def origa(root: Path) -> Path:
    """ORIGA-light as commonly copied: `Images`, `Masks`, squared copies, MATLAB files and OrigaList.csv."""
    files = {
        f"ORIGA/{folder}/00{at}.{kind}": ""
        for at in (1, 2)
        for folder, kind in (("Images", "jpg"), ("Masks", "png"), ("Images_Square", "jpg"), ("Semi-automatic-annotations", "mat"))
    }
    return plant(root, files | {"ORIGA/OrigaList.csv": "Eye,Filename,ExpCDR,Set,Glaucoma\nOD,001.jpg,0.7,A,0\nOS,002.jpg,0.8,B,1\n"})


def test_g1020_is_read_from_its_polygons(tmp_path: Path) -> None:
    found = seen(g1020(tmp_path))
    assert (found.name, facts(found, "label")) == ("g1020", {"image_0.jpg": ("normal",), "image_1.jpg": ("glaucoma",)})
    assert masks(found)["image_1.jpg"] == ("polygons", "image_1.json")


def test_origa_is_read_with_eyes_and_masks(tmp_path: Path) -> None:
    found = seen(origa(tmp_path))
    assert (found.name, facts(found, "label", "eye")) == ("origa", {"001.jpg": ("normal", "R"), "002.jpg": ("glaucoma", "L")})
    assert masks(found)["002.jpg"] == ("labels", "002.png")


def test_origa_with_json_is_read_from_its_polygons(tmp_path: Path) -> None:
    plant(tmp_path, ["ORIGA/Images/001.json", "ORIGA/Images/002.json"])
    assert masks(seen(origa(tmp_path)))["001.jpg"] == ("polygons", "001.json")


def test_two_datasets_in_one_archive_are_refused_until_one_is_named(tmp_path: Path) -> None:
    g1020(origa(tmp_path))
    with pytest.raises(BadData, match="--layout g1020 or --layout origa"):
        seen(tmp_path)
    assert len(seen(tmp_path, layout="origa").photographs) == 2


def test_polygons_beside_photographs_of_any_set(tmp_path: Path) -> None:
    files = {f"set/a/{at}.{kind}": '{"shapes": []}' for at in (1, 2, 3) for kind in ("jpg", "json")}
    found = seen(plant(tmp_path, files))
    assert (found.name, found.task, masks(found)["3.jpg"]) == ("polygons", "segmentation", ("polygons", "3.json"))


def test_json_that_draws_nothing_is_no_mask(tmp_path: Path) -> None:
    files = {f"{label}/{label}.{kind}": '{"camera": "x"}' for label in CLASSES for kind in ("jpg", "json")}
    assert masks(seen(plant(tmp_path, files))) == {}


@pytest.mark.parametrize(
    ("files", "task"),
    [
        (["images/a.png", "images/b.jpg", "masks/a.png", "masks/b.png", "metadata.json"], "segmentation"),
        (
            [f"{split}/{label}/{split}_{label}.png" for split in ("train", "val", "test") for label in CLASSES] + ["metadata.json"],
            "classification",
        ),
    ],
)
def test_the_layout_that_arc_writes(tmp_path: Path, files: list[str], task: str) -> None:
    found = seen(plant(tmp_path / "wrapped", files).parent)
    assert (found.name, found.task, len(found.photographs)) == (
        "standard",
        task,
        sum(not file.startswith(("masks", "meta")) for file in files),
    )
    assert {photo.split for photo in found.photographs} == ({""} if task == "segmentation" else {"train", "val", "test"})


def test_a_layout_that_does_not_fit_or_is_not_known_is_refused(tmp_path: Path) -> None:
    plant(tmp_path, ["glaucoma/a.jpg", "normal/b.jpg"])
    with pytest.raises(BadData, match="does not have the layout refuge"):
        seen(tmp_path, layout="refuge")
    with pytest.raises(InvalidSpec, match="there are rim_one_dl_by_hospital"):
        seen(tmp_path, layout="imagenet")
