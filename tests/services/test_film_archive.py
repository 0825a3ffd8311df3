"""ZIPs of labelled films and tables of labels: read whatever the depth, refused with a sentence whatever the trick."""

import io
import stat
import zipfile

import pytest
from hostile_names import SEEN, UNSEEN

from medcore.errors import InputError, TableError, WorkerError
from medcore.services.compare import film_archive
from medcore.services.compare.film_archive import FilmDesk, read_archive, read_film_table

CONDITION = "pneumonia"
FILMS = {"set/NORMAL/a.png": b"a" * 50, "set/PNEUMONIA/b.jpeg": b"b" * 60, "set/deep/er/Viral/c.dcm": b"c" * 70}


def make_zip(members=FILMS, **options):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data, **options)
    return stream.getvalue()


def can_be_packed(name):
    """Whether a ZIP can hold this name at all."""
    return len(name) < 60_000 and name.encode("utf-8", "ignore").decode() == name


def refuse(content, words):
    with pytest.raises(InputError, match=words):
        read_archive(content, CONDITION)


class TestZip:
    def test_folders_at_any_depth_label_the_films(self):
        _, infos, entries = read_archive(make_zip(), CONDITION)
        assert [info.filename for info in infos] == sorted(FILMS)
        assert {entry.name: entry.label for entry in entries} == {"a.png": 0, "b.jpeg": 1, "c.dcm": 1}

    def test_the_innermost_folder_counts(self):
        _, _, entries = read_archive(make_zip({"pneumonia/test/normal/x.png": b"x"}), CONDITION)
        assert entries[0].label == 0

    def test_a_film_in_no_class_folder_is_an_error_of_its_own(self):
        _, _, entries = read_archive(make_zip({**FILMS, "readme.txt": b"x"}), CONDITION)
        errors = [entry for entry in entries if entry.label is None]
        assert [entry.name for entry in errors] == ["readme.txt"]
        assert "no folder named like a class" in errors[0].error

    def test_what_systems_leave_behind_is_passed_over(self):
        clutter = {"__MACOSX/set/NORMAL/._a.png": b"x", "set/NORMAL/.DS_Store": b"x", "set/NORMAL/Thumbs.db": b"x"}
        _, _, entries = read_archive(make_zip({**FILMS, **clutter}), CONDITION)
        assert len(entries) == 3

    def test_no_class_folder_at_all(self):
        refuse(make_zip({"a.png": b"a", "some/b.png": b"b"}), "named like a class")

    @pytest.mark.parametrize("content", [b"", b"text", make_zip()[:-30], b"PK\x05\x06" + b"\0" * 18])
    def test_no_zip_a_cut_off_and_an_empty_one(self, content):
        refuse(content, "no ZIP|no film")

    @pytest.mark.parametrize(
        "name",
        [
            *("../NORMAL/a.png", "/NORMAL/a.png", "NORMAL/../../a.png", "C:/NORMAL/a.png", "NORMAL/./a.png"),
            *("NORMAL//a.png", "NORMAL/" + "a" * 400, "x/" * 30 + "NORMAL/a.png", "NORMAL/a\x01.png"),
            *("NORMAL/a\u202egnp.exe", "NORMAL\\..\\a.png"),
        ],
    )
    def test_names_that_lead_elsewhere_are_refused(self, name):
        refuse(make_zip({name: b"a"}), "leads elsewhere")

    @pytest.mark.parametrize("name", [name for name in (*SEEN, *UNSEEN) if can_be_packed(name)])
    def test_a_hostile_name_is_refused_or_shown_harmlessly(self, name):
        shown = []
        try:
            _, _, entries = read_archive(make_zip({f"NORMAL/{name}": b"a", "NORMAL/b.png": b"b"}), CONDITION)
            shown = [entry.name for entry in entries]
        except InputError as error:
            shown = [error.message]
        assert shown
        assert not any("<" in text or len(text) > 160 for text in shown)

    def test_an_archive_inside_is_refused(self):
        refuse(make_zip({"NORMAL/a.zip": make_zip()}), "another archive")

    def test_an_archive_that_is_called_a_film_is_an_error_of_its_own(self):
        desk = FilmDesk()
        folder = desk.answer_open_films({"condition": CONDITION}, [make_zip({"NORMAL/a.png": make_zip()})])
        taken = desk.answer_take_films({"token": folder.token, "places": [0]}, [])
        assert "is an archive" in taken[0].error
        assert taken[0].content.size == 0

    def test_a_bomb_is_refused_before_it_is_unpacked(self):
        refuse(make_zip({"NORMAL/a.png": bytes(20_000_000)}), "no film does")

    def test_files_that_share_bytes_are_refused(self):
        content = bytearray(make_zip({"NORMAL/a.png": b"a" * 9, "NORMAL/b.png": b"b" * 9}))
        second = content.rindex(b"PK\x01\x02")
        content[second + 42 : second + 46] = (0).to_bytes(4, "little")
        refuse(bytes(content), "overlap|no ZIP")

    def test_a_size_that_is_not_the_declared_one_is_an_error_of_its_own(self):
        content = bytearray(make_zip({"NORMAL/a.png": b"a" * 500}))
        start = content.rindex(b"PK\x01\x02")
        content[start + 24 : start + 28] = (20).to_bytes(4, "little")
        desk = FilmDesk()
        folder = desk.answer_open_films({"condition": CONDITION}, [bytes(content)])
        assert desk.answer_take_films({"token": folder.token, "places": [0]}, [])[0].error

    def test_links_encryption_and_odd_packing_are_refused(self):
        link = zipfile.ZipInfo("NORMAL/a.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr(link, "/etc/passwd")
        refuse(stream.getvalue(), "link")
        refuse(make_zip(compress_type=zipfile.ZIP_LZMA), "ordinary ZIP")
        locked = bytearray(make_zip({"NORMAL/a.png": b"a"}))
        locked[locked.rindex(b"PK\x01\x02") + 8] |= 1
        refuse(bytes(locked), "encrypted")

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_a_name_that_stands_twice_is_refused(self):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("NORMAL/a.png", b"a")
            archive.writestr("NORMAL/a.png", b"b")
        refuse(stream.getvalue(), "twice")

    def test_too_many_films_and_too_many_bytes(self, monkeypatch):
        monkeypatch.setattr(film_archive, "MOST_FILMS", 2)
        refuse(make_zip(), "random sample of at most 2")
        monkeypatch.setattr(film_archive, "_MOST_BYTES", 100)
        refuse(make_zip(), "split it")

    def test_a_zip_that_was_dropped_is_answered(self):
        desk = FilmDesk()
        folder = desk.answer_open_films({"condition": CONDITION}, [make_zip()])
        desk.answer_forget_films({"token": folder.token}, [])
        desk.answer_forget_films({"token": folder.token}, [])
        with pytest.raises(WorkerError, match="Upload it again"):
            desk.answer_take_films({"token": folder.token, "places": [0]}, [])

    def test_films_come_out_as_they_went_in(self):
        desk = FilmDesk()
        folder = desk.answer_open_films({"condition": CONDITION}, [make_zip()])
        taken = desk.answer_take_films({"token": folder.token, "places": [2, 0]}, [])
        assert [item.content.tobytes() for item in taken] == [b"c" * 70, b"a" * 50]


class TestTable:
    def read(self, text, names=("a.png", "b.png"), encoding="utf-8"):
        return read_film_table(text.encode(encoding), names, CONDITION)

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
    @pytest.mark.parametrize("comma", [",", ";", "\t"])
    def test_label_and_patient_are_found(self, comma, encoding):
        text = "file,label,patient_id\nb.png,Normal,P1\nfolder/a.png,viral,Pé\n".replace(",", comma)
        entries = self.read(text, encoding=encoding)
        assert [(item.name, item.label, item.patient) for item in entries] == [("a.png", 1, "Pé"), ("b.png", 0, "P1")]

    def test_what_does_not_fit_is_an_error_of_its_own(self):
        text = "label,file\nmaybe,a.png\n1,b.png\n1,gone.png\n0,twice.png\n1,twice.png\n,blank.png\n\n"
        found = self.read(text, ("a.png", "b.png", "twice.png", "blank.png", "none.png"))
        words = {item.name: item.error for item in found}
        assert "'maybe' is not" in words["a.png"]
        assert words["b.png"] == ""
        assert "no such file" in words["gone.png"]
        assert "more than once" in words["twice.png"]
        assert "label is blank" in words["blank.png"]
        assert "no row" in words["none.png"]

    @pytest.mark.parametrize(
        ("text", "words"),
        [("", "column 'file'"), ("file\na.png", "column 'label'"), ("file,file,label\n", "column 'file'"),
         ("file,label\n\"a.png,1", "cannot be read"), ("file,label\na\0,1", "no text")],
    )  # fmt: skip
    def test_a_table_that_cannot_be_used(self, text, words):
        with pytest.raises(TableError, match=words):
            self.read(text)

    def test_no_label_for_any_film(self):
        with pytest.raises(InputError, match="none of the 2 films"):
            self.read("file,label\nother.png,1\n")
