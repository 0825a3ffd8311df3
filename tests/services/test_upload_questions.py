"""What may be asked of uploaded rows afterwards, and how a file is to look."""

from types import SimpleNamespace

import numpy as np
import pytest

from medcore.conditions.catalog import find_condition, list_conditions
from medcore.errors import InputError
from medcore.evaluation.differences import paired_differences
from medcore.services.compare.upload_questions import compare_upload, describe_columns, write_template


@pytest.fixture
def upload():
    rng = np.random.default_rng(5)
    y = (rng.random(300) < 0.3).astype(int)
    p = {name: np.clip(0.3 + 0.2 * (y - 0.3) * k + rng.normal(0, 0.1, 300), 0.01, 0.99) for k, name in enumerate("ab")}
    return SimpleNamespace(y=y, p=p, patients=np.arange(300) // 2)


def test_differences_take_rows_of_one_patient_together(upload):
    (found,) = compare_upload(upload, reference="a", cut_off=0.3)
    (expected,) = paired_differences(upload.y, upload.p, reference="a", cut_off=0.3, groups=upload.patients)
    (naive,) = paired_differences(upload.y, upload.p, reference="a", cut_off=0.3)
    assert found.auroc.gain == expected.auroc.gain
    assert found.auroc.gain.lo != naive.auroc.gain.lo


def test_an_unknown_reference_is_refused(upload):
    with pytest.raises(InputError, match="not among the models"):
        compare_upload(upload, reference="c", cut_off=0.3)


@pytest.mark.parametrize("condition", list_conditions(), ids=lambda item: item.id)
def test_every_field_is_a_column_and_the_template_names_it(condition):
    names = [name for name, _, _ in describe_columns(condition)]
    assert write_template(condition).strip().split(",") == [*names, "label"]
    assert all(content for _, _, content in describe_columns(condition))


def test_choices_limits_and_required_fields_are_said():
    columns = {name: content for name, _, content in describe_columns(find_condition("diabetes"))}
    assert columns["sex"] == "female, male (required)"
    assert columns["waist_cm"] == "40 to 250 cm"
