"""Files of films for tests: PNG, JPEG and DICOM in every coding that can be written here, whole and spoilt."""

import io

import numpy as np
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate

JPEG2000 = {uid.JPEG2000Lossless, uid.JPEG2000}
WRITABLE = {
    "implicit": uid.ImplicitVRLittleEndian,
    "explicit": uid.ExplicitVRLittleEndian,
    "big endian": uid.ExplicitVRBigEndian,
    "RLE": uid.RLELossless,
    "JPEG-LS": uid.JPEGLSLossless,
    "JPEG 2000": uid.JPEG2000Lossless,
}


def make_pixels(rows=120, columns=100, *, bits=12, seed=0):
    """Make smooth chest-like values over the whole range, with a bright corner so that turns and flips show."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:rows, 0:columns] / np.array([rows, columns]).reshape(2, 1, 1)
    field = 0.15 + 0.7 * (0.5 + 0.5 * np.cos(5 * (x - 0.5))) * (0.4 + 0.6 * y) + random.normal(0, 0.02, (rows, columns))
    field[: rows // 8, : columns // 8] = 1.0
    field[-1, -1] = 0.0
    top = (1 << bits) - 1
    return np.round(np.clip(field, 0, 1) * top).astype(np.uint8 if bits == 8 else np.uint16)


def make_dataset(pixels, *, bits=12, **tags):
    """Make a data set around pixels; ``None`` as a tag's value leaves the tag out."""
    dataset = Dataset()
    defaults = {
        "SOPClassUID": uid.DigitalXRayImageStorageForPresentation,
        "SOPInstanceUID": "1.2.3.4",
        "StudyInstanceUID": "1.2.3",
        "Modality": "DX",
        "PatientID": "4711",
        "BodyPartExamined": "CHEST",
        "ViewPosition": "AP",
        "PatientAge": "003Y",
        "PatientSex": "F",
        "StudyDate": "20240102",
        "SamplesPerPixel": 1 if pixels.ndim == 2 else 3,
        "PhotometricInterpretation": "MONOCHROME2" if pixels.ndim == 2 else "RGB",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "BitsAllocated": 8 * pixels.dtype.itemsize,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "WindowCenter": 2 ** (bits - 1),
        "WindowWidth": 2**bits,
    }
    if pixels.ndim == 3:
        defaults["PlanarConfiguration"] = 0
    for keyword, value in {**defaults, **tags}.items():
        if value is not None:
            setattr(dataset, keyword, value)
    return dataset


def make_dicom(pixels=None, *, bits=12, syntax=uid.ExplicitVRLittleEndian, data=None, **tags):
    """Write a DICOM file; ``data`` replaces the pixel data, other keywords set header entries."""
    pixels = make_pixels(bits=bits) if pixels is None else pixels
    return write_dicom(make_dataset(pixels, bits=bits, **tags), pixels, syntax, data)


def write_dicom(dataset, pixels, syntax=uid.ExplicitVRLittleEndian, data=None):
    """Write a data set with these pixels in a transfer syntax."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", "1.2.3")
    meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    meta.TransferSyntaxUID = syntax
    implicit, little = uid.UID(syntax).is_implicit_VR, uid.UID(syntax).is_little_endian
    kinds = {"is_implicit_VR": implicit, "is_little_endian": little}
    file = FileDataset("", dataset, file_meta=meta, preamble=b"\0" * 128, **kinds)
    explicit_vr = "OB" if pixels.dtype.itemsize == 1 else "OW"
    file.add_new("PixelData", explicit_vr, _code(file, pixels, syntax) if data is None else data)
    file["PixelData"].is_undefined_length = uid.UID(syntax).is_encapsulated
    stream = io.BytesIO()
    file.save_as(stream, implicit_vr=implicit, little_endian=little, enforce_file_format=True)
    return stream.getvalue()


def _code(file, pixels, syntax):
    syntax = uid.UID(syntax)
    if not syntax.is_encapsulated:
        return pixels.astype(pixels.dtype.newbyteorder("<" if syntax.is_little_endian else ">")).tobytes()
    if syntax in JPEG2000:
        return encapsulate([make_picture(pixels, "JPEG2000", irreversible=False)])
    if syntax == uid.JPEGBaseline8Bit:
        return encapsulate([make_picture(pixels, "JPEG", quality=95)])
    file.PixelData = pixels.tobytes()
    file["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"
    file.compress(syntax, pixels, generate_instance_uid=False)
    return file.PixelData


def make_picture(pixels, kind, **options):
    """Write PNG, JPEG or bare JPEG 2000."""
    stream = io.BytesIO()
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    if kind == "JPEG2000":
        options["no_jp2"] = True
    picture.save(stream, format=kind, **options)
    return stream.getvalue()


def make_png(pixels=None, **options):
    """Write an 8- or 16-bit grey PNG."""
    return make_picture(make_pixels(bits=8) if pixels is None else pixels, "PNG", **options)


def make_jpeg(pixels=None, **options):
    """Write a grey JPEG."""
    return make_picture(make_pixels(bits=8) if pixels is None else pixels, "JPEG", **options)
