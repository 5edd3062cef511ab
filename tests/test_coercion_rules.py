"""The rules of coercion: which are sound, and what is said of the others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from gateway.attribute_paths import AttributePath, PathStep
from gateway.coercion_rules import compile_rules
from gateway.config import check_existing, load
from gateway.errors import ConfigError
from gateway.settings import CoerceRule as Rule

if TYPE_CHECKING:
    from pathlib import Path


def test_a_rule_as_it_is_applied() -> None:
    (rule,) = compile_rules(
        [
            Rule(
                calling=("CT*",),
                set={"InstitutionName": "Example", "(0008,1030)": "Head", "Rows": 512},
                default={"ImageType": ["DERIVED", "SECONDARY"], "PatientWeight": 70.5},
                remove=("OtherPatientNames", "00291010"),
            )
        ]
    )
    assert [(one.path.tag, one.vr, one.value) for one in rule.set] == [
        (0x00080080, "LO", "Example"),
        (0x00081030, "LO", "Head"),
        (0x00280010, "US", 512),
    ]
    assert [one.value for one in rule.default] == [["DERIVED", "SECONDARY"], "70.5"]
    assert rule.removed == (AttributePath(0x00101001), AttributePath(0x00291010))


def test_a_path_to_an_attribute_in_items() -> None:
    procedure, code = "RequestAttributesSequence", "ScheduledProtocolCodeSequence"
    (rule,) = compile_rules(
        [
            Rule(
                set={f"{procedure}[0].{code}[12].CodeValue": "T1"},
                default={f"(0040,0275)[1].{procedure}[*].(0040,1001)": "P"},
                remove=(f"00400275[*].{code}", f"{procedure}[0].StudyInstanceUID"),
            )
        ]
    )
    first, every = PathStep(0x00400275, 0), PathStep(0x00400275, None)
    assert rule.set[0].path == AttributePath(0x00080100, (first, PathStep(0x00400008, 12)))
    assert str(rule.set[0].path) == "(0040,0275)[0].(0040,0008)[12].(0008,0100)"
    assert rule.default[0].path == AttributePath(0x00401001, (PathStep(0x00400275, 1), every))
    assert rule.removed[0] == AttributePath(0x00400008, (every,))
    assert str(rule.removed[0]) == "(0040,0275)[*].(0040,0008)"
    assert rule.removed[1].outermost == 0x00400275


@pytest.mark.parametrize(
    ("rule", "calling", "called", "holds"),
    [
        (Rule(remove=("PatientName",)), "CT1", "HERE", True),
        (Rule(calling=("CT*",), remove=("PatientName",)), "CT1", "HERE", True),
        (Rule(calling=("CT*",), remove=("PatientName",)), "MR1", "HERE", False),
        (Rule(calling=("CT?", "MR1"), remove=("PatientName",)), "MR1", "HERE", True),
        (Rule(called=("EAST",), remove=("PatientName",)), "CT1", "WEST", False),
        (Rule(calling=("CT*",), called=("EAST",), remove=("PatientName",)), "CT1", "EAST", True),
        (Rule(calling=("*",), remove=("PatientName",)), "", "", True),
    ],
)
def test_whom_a_rule_is_for(rule: Rule, calling: str, called: str, holds: bool) -> None:
    assert compile_rules([rule])[0].holds_for(calling, called) is holds


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (Rule(), "coerce.rules[2] does nothing"),
        (
            Rule(set={"Institution": "x"}),
            "rules[2].set: 'Institution' is not an attribute of PS3.6",
        ),
        (Rule(set={"InstitutionNam": "x"}), "did you mean InstitutionName?"),
        (Rule(remove=("PatientNames",)), "rules[2].remove: 'PatientNames' is not an attribute"),
        (Rule(remove=("",)), "is not an attribute"),
        (Rule(remove=("(0002,0016)",)), "(0002,0016) is not an attribute of instances"),
        (Rule(remove=("(0008,0000)",)), "(0008,0000) is not an attribute of instances"),
        (Rule(set={"SOPInstanceUID": "1.2"}), "SOP Instance UID (0008,0018) cannot be coerced"),
        (Rule(default={"SOPClassUID": "1.2"}), "an instance keeps its SOP class"),
        (Rule(remove=("StudyInstanceUID",)), "(0020,000D) cannot be coerced: it is what tells"),
        (Rule(remove=("SpecificCharacterSet",)), "it says how texts are encoded"),
        (Rule(remove=("PixelData",)), "pixel data are not coerced"),
        (Rule(set={"(0029,1010)": "x"}), "rules[2].set.(0029,1010): it has no VR in the data"),
        (Rule(set={"RequestAttributesSequence": "x"}), "a value of VR SQ cannot be written here"),
        (Rule(set={"RedPaletteColorLookupTableData": "x"}), "a value of VR OW cannot be written"),
        (Rule(set={"InstitutionName": 3}), "set.InstitutionName = 3: it must be a text"),
        (Rule(set={"InstitutionName": True}), "it must be a text"),
        (Rule(set={"InstitutionName": ["a", "b"]}), "it has one value (PS3.6)"),
        (Rule(set={"InstitutionName": []}), "it has one value (PS3.6)"),
        (Rule(set={"InstitutionName": "a\\b"}), "write several values as a list"),
        (Rule(set={"InstitutionName": "x" * 65}), "exceeds the maximum length of 64"),
        (Rule(set={"InstitutionName": "a\x1bb"}), "it has a control character"),
        (Rule(set={"InstitutionAddress": "a\x00b"}), "it has a control character"),
        (Rule(set={"Modality": "ct"}), "set.Modality = 'ct': Invalid value for VR CS"),
        (Rule(set={"StudyDate": "2026-01-01"}), "Invalid value for VR DA"),
        (Rule(default={"DeviceUID": "1.02"}), "rules[2].default.DeviceUID = '1.02': Invalid value"),
        (Rule(set={"Rows": "512"}), "it is not a number of VR US"),
        (Rule(set={"Rows": 65_536}), "it is not a number of VR US"),
        (Rule(set={"Rows": True}), "it is not a number of VR US"),
        (Rule(set={"Rows": 1.5}), "it is not a number of VR US"),
        (Rule(set={"SeriesNumber": "one"}), "Invalid value for VR IS"),
        (
            Rule(set={"PatientName": "A"}, remove=("(0010,0010)",)),
            "rules[2] has (0010,0010) twice: in set, default or remove",
        ),
        (Rule(set={"PatientName": "A"}, default={"00100010": "B"}), "has (0010,0010) twice"),
        (Rule(remove=("RequestAttributesSequence[0]",)), "is an item: name an attribute in it"),
        (
            Rule(remove=("RequestAttributesSequence.(0040,0009)",)),
            "say which item of RequestAttributesSequence: RequestAttributesSequence[0] is the",
        ),
        (Rule(remove=("RequestAttributesSequence[-1].(0040,0009)",)), "say which item of"),
        (Rule(remove=("RequestAttributesSequence[1000].(0040,0009)",)), "say which item of"),
        (Rule(remove=("RequestAttributesSequence[].(0040,0009)",)), "say which item of"),
        (Rule(remove=("RequestAttributesSequence[0](0040,0009)",)), "is not an attribute of PS3.6"),
        (Rule(remove=("RequestAttributesSequence[0].",)), "'' is not an attribute of PS3.6"),
        (Rule(remove=("RequestAttributeSequence[0].Rows",)), "mean RequestAttributesSequence?"),
        (Rule(remove=("PatientName[0].PatientID",)), "PatientName is not a sequence of PS3.6"),
        (Rule(remove=("(0029,1010)[0].PatientID",)), "(0029,1010) is not a sequence of PS3.6"),
        (Rule(remove=("IconImageSequence[*].PixelData",)), "pixel data are not coerced"),
        (
            Rule(set={"RequestAttributesSequence[0].SpecificCharacterSet": "ISO_IR 192"}),
            "it says how texts are encoded",
        ),
        (
            Rule(set={"OriginalAttributesSequence[0].ModifyingSystem": "x"}),
            "OriginalAttributesSequence[0].ModifyingSystem: it says what was there before",
        ),
        (
            Rule(set={"RequestAttributesSequence[0]": {"ScheduledProcedureStepID": "1"}}),
            "is an item: name an attribute in it",
        ),
        (
            Rule(set={"RequestAttributesSequence": {"ScheduledProcedureStepID": "1"}}),
            "write the path to an attribute in quotation marks",
        ),
        (
            Rule(
                set={"RequestAttributesSequence[0].ScheduledProcedureStepID": "1"},
                remove=("(0040,0275)[0].(0040,0009)",),
            ),
            "rules[2] has (0040,0275)[0].(0040,0009) twice",
        ),
    ],
)
def test_a_rule_that_cannot_be_meant(wrong: Rule, error: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(error)):
        compile_rules([Rule(remove=("PatientName",)), wrong])


def test_what_several_values_are_for() -> None:
    (rule,) = compile_rules([Rule(set={"ImageType": "DERIVED", "InstitutionAddress": "a\\b\nc"})])
    assert [one.value for one in rule.set] == ["DERIVED", "a\\b\nc"]


WHOLE = """
[archive]
transform = ["coerce"]

[[coerce.rules]]
calling = ["CT*"]
set = {InstitutionName = "Example"}

[[coerce.rules]]
called = ["EAST"]
remove = ["OtherPatientNames"]
"""


def settings_of(tmp_path: Any, text: str, **environment: str) -> Any:
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    return load(file, environment=environment)


def test_a_configuration_that_names_it_starts_it(tmp_path: Any) -> None:
    settings = settings_of(tmp_path, WHOLE)
    assert settings.workers["coerce"].enabled
    assert settings.coerce.rules[0].set == {"InstitutionName": "Example"}
    assert settings.coerce.rules[1].remove == ("OtherPatientNames",)
    assert "coerce" not in settings_of(tmp_path, "").workers


def test_the_environment_can_name_it(tmp_path: Any) -> None:
    settings = settings_of(tmp_path, "", DICOM_GATEWAY_ARCHIVE__TRANSFORM="coerce, other")
    assert settings.archive.transform == ("coerce", "other")
    assert "coerce" in settings.workers


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('[archive]\ntransform = ["../x"]', ":2: archive.transform = "),
        ('[archive]\ntransform = ["a", "b", "a"]', ":2: archive.transform names 'a' twice"),
        ("[archive]\ntransform = 3", ":2: archive.transform = 3: it must be a list of names"),
        ("[archive]\ntransform_limit = 3", ":2: archive.transform_limit = 3"),
        ("archive = 3", "archive = 3: it must be a table"),
        ("forward = 3", "forward = 3: it must be a table"),
        ("[[coerce.rules]]\nset = 3", ":2: coerce.rules[1].set = 3: it must be a table of attr"),
        ("[[coerce.rules]]\nsets = {}", ":2: coerce.rules[1].sets = {}: there is no such setting"),
        ('[[coerce.rules]]\ncalling = [""]', ":2: coerce.rules[1].calling"),
        ('[[coerce.rules]]\nname = "x"', ":1: coerce.rules[1] does nothing"),
        ('[[coerce.rules]]\nreason = "NONE"', ':2: coerce.rules[1].reason = "NONE": it must be'),
        ('[[coerce.rules]]\nsource = "a\\\\b"', ":2: coerce.rules[1].source"),
        ('[coerce]\noriginal_attributes = "x"', ':2: coerce.original_attributes = "x": it must'),
        (
            "[coerce]\noriginal_attributes = true\n"
            '[[coerce.rules]]\nremove = ["OriginalAttributesSequence"]',
            ":4: coerce.rules[1].remove: Original Attributes Sequence (0400,0561) stays",
        ),
        (
            '[[coerce.rules]]\nremove = ["PatientName"]\n[[coerce.rules]]\nname = "x"\n'
            'set = {Modality = "ct"}',
            ":5: coerce.rules[2].set.Modality = 'ct'",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Any, text: str, error: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(error)):
        settings_of(tmp_path, text)


def test_what_is_asked_of_nobody_is_a_warning(tmp_path: Any) -> None:
    text = WHOLE.replace('["coerce"]', '["mine"]')
    missing, idle = check_existing(settings_of(tmp_path, text))
    assert "archive.transform names the worker 'mine', which this configuration does not" in missing
    assert "coerce.rules are not applied" in idle
    assert check_existing(settings_of(tmp_path, WHOLE)) == []


def test_the_worker_is_started_if_a_route_names_it(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(
        '[destinations]\nA = "a:104"\n[[routes]]\ndestinations = ["A"]\ntransform = ["coerce"]\n'
    )
    assert "coerce" in load(file, environment={}).workers
