"""CSV cohorts: good rows are read, each bad row has its own typed error, and the counts add up."""

import codecs
import io
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_form import compute_bmi, make_schema

from medcore.errors import (
    InputError,
    NotANumberError,
    OutOfRangeError,
    TableError,
    UnknownChoiceError,
)
from medcore.records import TableLimits, escape_formula, open_table, read_record

SCHEMA = make_schema()
HEAD = "patient_id,age_years,sodium_mmol_l\n"


def read(data, **more):
    data = data.encode() if isinstance(data, str) else data
    with open_table(data, SCHEMA, **more) as table:
        rows = list(table.rows())
    return rows, table


def values(data, **more):
    return [None if row.record is None else dict(row.record.values) for row in read(data, **more)[0]]


def errors_of(data):
    return [[type(error) for error in row.errors] for row in read(data)[0]]


def test_clean_rows_become_records():
    rows, table = read(HEAD + "a,71,128\nb,,140\n")
    assert [row.patient_id for row in rows] == ["a", "b"]
    assert [row.number for row in rows] == [1, 2]
    assert [dict(row.record.values) for row in rows] == [
        {"age_years": 71, "sodium_mmol_l": 128},
        {"sodium_mmol_l": 140},
    ]
    assert rows[0].record.patient_id == "a"
    assert table.n_rows == 2


def test_without_ids_the_row_number_serves():
    assert [row.patient_id for row in read("age_years\n50\n60\n")[0]] == ["1", "2"]
    assert [row.patient_id for row in read("patient_id,age_years\n,50\nb,60\n")[0]] == ["1", "b"]


@pytest.mark.parametrize("data", ["", " ", "\n\n\n", "\ufeff", ",,,\n"], ids=repr)
def test_40_empty_file(data):
    with pytest.raises(TableError, match="empty"):
        read(data)


def test_40_header_only():
    with pytest.raises(TableError, match="no rows"):
        read(HEAD)


def test_40_no_header():
    with pytest.raises(TableError, match="no field name"):
        read("71,128\n72,130\n")


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_41_any_usual_delimiter(mark):
    assert values(f"age_years{mark}sodium_mmol_l\n71{mark}128\n") == [{"age_years": 71, "sodium_mmol_l": 128}]


@pytest.mark.parametrize("mark", [";", "\t"])
def test_41_decimal_comma(mark):
    data = f"creatinine_mg_dl{mark}arterial_ph\n1,4{mark}7,24\n0,125{mark}7.4\n"
    assert values(data) == [
        {"creatinine_mg_dl": 1.4, "arterial_ph": 7.24},
        {"creatinine_mg_dl": 0.125, "arterial_ph": 7.4},
    ]


def test_41_decimal_comma_with_comma_as_separator_is_the_rows_error():
    rows, _ = read("age_years,creatinine_mg_dl\n50,1,4\n60,1.2\n")
    assert rows[0].record is None
    assert "decimal comma" in rows[0].errors[0].message
    assert rows[1].record is not None


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode("utf-8"),
        lambda text: codecs.BOM_UTF8 + text.encode("utf-8"),
        lambda text: text.encode("utf-16"),
        lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
        lambda text: text.encode("utf-16-le"),
        lambda text: text.encode("utf-16-be"),
        lambda text: text.encode("latin-1"),
    ],
    ids=["utf-8", "utf-8-bom", "utf-16", "utf-16-be-bom", "utf-16-le", "utf-16-be", "latin-1"],
)
def test_42_encodings(encode):
    rows, _ = read(encode("patient_id,creatinine_mg_dl[µmol/L]\r\nMüller,190\r\n"))
    assert rows[0].patient_id == "Müller"
    assert rows[0].record.values["creatinine_mg_dl"] == pytest.approx(2.1489)


def test_42_nul_byte_in_a_cell_is_the_rows_error():
    rows, _ = read(HEAD + "a,7\x001,128\n" + "".join(f"b{i},71,128\n" for i in range(20)))
    assert [type(error) for error in rows[0].errors] == [NotANumberError]
    assert all(row.record is not None for row in rows[1:])


def test_43_duplicate_column():
    with pytest.raises(TableError, match="stands twice") as caught:
        read("age_years,sodium_mmol_l,age_years\n1,2,3\n")
    assert caught.value.field == "age_years"


def test_43_same_column_in_two_units_is_a_duplicate():
    with pytest.raises(TableError, match="stands twice"):
        read("creatinine_mg_dl,creatinine_mg_dl[umol/L]\n1,90\n")


def test_43_extra_columns_are_listed_and_missing_ones_named():
    rows, table = read("age_years,race,Comment\n50,x,y\n")
    assert table.header.extra == ("race", "Comment")
    assert "sodium_mmol_l" in table.header.missing
    assert dict(rows[0].record.values) == {"age_years": 50}


def test_43_wanted_column_is_kept_as_text():
    with open_table(b"age_years,label\n50,1\n60, 0\n", SCHEMA, keep=("label",)) as table:
        assert [chunk.kept["label"] for chunk in table.chunks()] == [("1", "0")]
    with pytest.raises(TableError, match="'label' is missing"):
        read("age_years\n50\n", keep=("label",))


@pytest.mark.parametrize(
    ("cell", "error"),
    [
        ("abc", NotANumberError),
        ('"1,234"', NotANumberError),
        ("1_0", NotANumberError),
        ("inf", NotANumberError),
        ("-inf", NotANumberError),
        ("1e309", NotANumberError),
        ("9" * 400, NotANumberError),
        ("1-2", NotANumberError),
        ("12", OutOfRangeError),
        ("1e9", OutOfRangeError),
    ],
)
def test_44_45_bad_number_is_the_rows_typed_error(cell, error):
    rows, _ = read(HEAD + f"a,71,{cell}\nb,72,130\n")
    assert [type(item) for item in rows[0].errors] == [error]
    assert rows[0].errors[0].field == "sodium_mmol_l"
    assert dict(rows[1].record.values) == {"age_years": 72, "sodium_mmol_l": 130}


@pytest.mark.parametrize("cell", ["", " ", "N/A", "NA", "nan", "NaN", "?", "null", "unknown"])
def test_44_45_blank_words_are_unknown(cell):
    assert values(HEAD + f"a,71,{cell}\n") == [{"age_years": 71}]


def test_46_header_unit_converts_the_column():
    assert values("weight_kg[lb],temperature_c[F]\n200,101.3\n") == [
        {"weight_kg": pytest.approx(90.72), "temperature_c": pytest.approx(38.5)}
    ]


def test_46_unit_that_is_not_linear():
    assert values("arterial_ph[nmol/L]\n40\n")[0]["arterial_ph"] == pytest.approx(7.398, abs=5e-4)


def test_46_unknown_unit_in_the_header():
    with pytest.raises(TableError, match="Known are: mg/dL, µmol/L"):
        read("creatinine_mg_dl[stone]\n1\n")


def test_46_mixed_units_quarantine_the_row_and_the_rest_is_read():
    rows, _ = read("patient_id,creatinine_mg_dl\na,1.1\nb,97\nc,0.9\n")
    assert [row.record is not None for row in rows] == [True, False, True]
    assert "is it µmol/L" in rows[1].errors[0].message
    assert len(rows) == 3


def test_47_duplicate_ids_are_read_and_listed():
    rows, table = read(HEAD + "a,71,128\nb,72,129\na,73,130\n")
    assert all(row.record is not None for row in rows)
    assert table.duplicate_ids == {"a"}


def test_48_too_many_rows():
    data = "age_years\n" + "50\n" * 30
    assert len(read(data, limits=TableLimits(max_rows=30))[0]) == 30
    with pytest.raises(TableError, match="more than 20 rows"):
        read(data, limits=TableLimits(max_rows=20))


def test_48_too_many_columns():
    with pytest.raises(TableError, match="5,001 columns"):
        read(",".join(["age_years", *(f"x{i}" for i in range(5_000))]) + "\n1\n")


def test_48_huge_cell_is_the_rows_error():
    rows, _ = read(HEAD + f"{'x' * 20_000},71,128\nb,72,129\n")
    assert isinstance(rows[0].errors[0], TableError)
    assert rows[1].record is not None


def test_48_endless_line_is_refused_without_reading_it():
    class Endless(io.RawIOBase):
        given = 0

        def readable(self):
            return True

        def read(self, size=-1):
            self.given += size
            return b"x" * size

    stream = Endless()
    with pytest.raises(TableError, match="longer than"), open_table(stream, SCHEMA):
        pass
    assert stream.given < 5_000_000


def test_48_endless_quote_is_refused():
    with pytest.raises(TableError, match="quotation marks"):
        read(HEAD + '"a,71,128\n' + "b,72,129\n" * 30_000)


def test_48_rows_are_streamed_in_chunks():
    data = "age_years\n" + "50\n" * 25
    with open_table(data.encode(), SCHEMA, limits=TableLimits(chunk_rows=10)) as table:
        chunks = list(table.chunks())
    assert [len(chunk) for chunk in chunks] == [10, 10, 5]
    assert [chunk.first_number for chunk in chunks] == [1, 11, 21]
    assert chunks[-1].row(4).patient_id == "25"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+SUM(A1)", "'+SUM(A1)"),
        ("-2+3", "'-2+3"),
        ("@x", "'@x"),
        ("\t=1", "'\t=1"),
        ("-1.5", "-1.5"),
        ("+3,5", "+3,5"),
        ("1e-3", "1e-3"),
        ("Müller", "Müller"),
        ("", ""),
    ],
)
def test_49_formula_cells_are_disarmed_on_export(text, expected):
    assert escape_formula(text) == expected


def test_49_formula_as_id_is_read_as_text():
    assert read("patient_id,age_years\n=cmd|x,50\n")[0][0].patient_id == "=cmd|x"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\x03\x04\x14\x00\x06\x00", "Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "Excel"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"\x89PNG\r\n\x1a\n", "image"),
        (bytes(range(32)) * 50, "not text"),
    ],
    ids=["xlsx", "xls", "gzip", "png", "binary"],
)
def test_50_other_formats_renamed_to_csv(data, message):
    with pytest.raises(TableError, match=message):
        read(data)


def test_51_row_that_was_cut_short():
    rows, _ = read(HEAD + "a,71,128\nb,7")
    assert rows[0].record is not None
    assert "cut short" in rows[1].errors[0].message


def test_file_that_is_not_there(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path, "a\x00b"):
        with pytest.raises(TableError, match=r"cannot be opened|is a folder"), open_table(path, SCHEMA):
            pass


def test_path_and_stream_and_bytes_are_read_alike(tmp_path):
    data = (HEAD + "a,71,128\n" * 5_000).encode()
    path = tmp_path / "cohort.csv"
    path.write_bytes(data)
    expected = values(data)
    for source in (path, str(path), io.BytesIO(data)):
        with open_table(source, SCHEMA) as table:
            assert [dict(row.record.values) for row in table.rows()] == expected


def test_choices_by_word_code_and_alias():
    assert values("sex,cancer\nmale,none\n0,metastatic\nF,2\n") == [
        {"sex": 1, "cancer": 0},
        {"sex": 0, "cancer": 2},
        {"sex": 0, "cancer": 2},
    ]
    assert errors_of("sex\nx\n") == [[UnknownChoiceError]]


def test_detection_limit_is_marked():
    rows, _ = read("creatinine_mg_dl\n<0.2\n0.2\n")
    assert [dict(row.record.qualifiers) for row in rows] == [{"creatinine_mg_dl": "<"}, {}]


def test_derived_values_are_added_and_entered_ones_win():
    rows, _ = read("height_cm,weight_kg,bmi_kg_m2\n200,100,\n200,100,30\n200,,\n", derive=compute_bmi)
    assert [row.record.values.get("bmi_kg_m2") for row in rows] == [25, 30, None]
    assert [sorted(row.record.derived) for row in rows] == [["bmi_kg_m2"], [], []]


def test_derived_value_out_of_range_is_the_rows_error():
    rows, _ = read("height_cm,weight_kg\n90,450\n", derive=compute_bmi)
    assert [type(error) for error in rows[0].errors] == [OutOfRangeError]
    assert rows[0].errors[0].field == "bmi_kg_m2"


def test_top_group_is_applied():
    assert values("age_years\n95\n")[0] == {"age_years": 80}


def test_model_inputs_of_a_chunk():
    with open_table(b"weight_kg,sodium_mmol_l,age_years\n70,128,50\n", SCHEMA) as table:
        (chunk,) = table.chunks()
    assert chunk.X.shape == (1, len(SCHEMA.input_names))
    assert chunk.X[0, SCHEMA.input_names.index("sodium_mmol_l")] == 128
    assert chunk.usable.tolist() == [True]


def test_several_errors_of_one_row_are_all_given():
    assert errors_of("age_years,sodium_mmol_l,sex\nx,12,q\n") == [
        [NotANumberError, OutOfRangeError, UnknownChoiceError]
    ]


CELLS = st.one_of(
    st.sampled_from(["", "NA", "<0.2", "1,234", "1,5", "1.5", "0", "-0", "1e2", "12", "190", "0x1", " 7 ", "٣", "1_0"]),
    st.floats(-10, 300).map(lambda x: f"{x:.2f}"),
    st.text("0123456789.,+-eE_<> ", max_size=8),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=20))
def test_fast_path_equals_the_form(cells):
    rows_in = [(a, b) for a, b in cells if a or b]
    if not rows_in:
        return
    data = "creatinine_mg_dl[umol/L]|st_change_mm\n" + "".join(f"{a}|{b}\n" for a, b in rows_in)
    rows, _ = read(data)
    assert len(rows) == len(rows_in)
    for row, (a, b) in zip(rows, rows_in, strict=True):
        reading = read_record(SCHEMA, {"creatinine_mg_dl": a, "st_change_mm": b}, {"creatinine_mg_dl": "umol/L"})
        assert [type(error) for error in row.errors] == [type(error) for error in reading.errors]
        if row.record is not None:
            assert dict(row.record.values) == pytest.approx(dict(reading.record.values))
            assert dict(row.record.qualifiers) == dict(reading.record.qualifiers)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_rows_or_a_typed_error(data):
    for start in (b"", HEAD.encode()):
        try:
            rows, table = read(start + data)
        except InputError:
            continue
        assert len(rows) == table.n_rows


def test_hundred_thousand_clean_rows_take_seconds():
    rng = np.random.default_rng(1)
    n = 100_000
    columns = [np.char.mod("%.3f", rng.uniform(*limits, n)) for limits in ((18, 100), (100, 190), (0.3, 9), (30, 40))]
    head = "age_years,sodium_mmol_l,creatinine_mg_dl,temperature_c\n"
    data = (head + "\n".join(map(",".join, zip(*columns, strict=True)))).encode()
    start = time.process_time()
    with open_table(data, SCHEMA, derive=compute_bmi) as table:
        total = sum(int(chunk.usable.sum()) for chunk in table.chunks())
    assert total == n
    assert time.process_time() - start < 5
