"""Files that are not read: what each is, and what to do about it, in one line."""

from __future__ import annotations

from pathlib import Path

SAVE = "save its spikes as CSV with the columns time_ms and unit"
_SORT = "holds traces, not spikes: sort them, for example with SpikeInterface, and save the units as NWB"
_UNPACK = "is compressed: unpack it first"
_WITH_NEO = f"is one file of a folder: read the folder in Python, for example with neo, and {SAVE}"
_WITH_OTHER = f"needs another program: read it in Python, for example with SpikeInterface, and {SAVE}"
_SHEET = "is a workbook: save the sheet as CSV, with the columns time_ms and unit"
_XML = f"is XML, which programs fill in their own ways: {SAVE}"
_FRAME = "is a table of another kind: save it as CSV with pandas, with the columns time_ms and unit"
_SHANK = (
    "is one of the files of a shank: put NAME.res, NAME.clu and NAME.xml together in a folder, and name that"
)
_KLUSTA = "belongs to a .kwik file, which holds the spikes: name that file"
_PL2 = f"needs a library of Plexon: save it as .plx with Plexon's programs, or {SAVE}"
_NEV = "belongs to a .nev file, which holds the spikes if there are any: name that file"
_PICKLE = (
    "can run any code when it is read, so it is not: save its spikes as NWB, NPZ or CSV (PyNN: "
    "write_data('spikes.nix'); Brian 2: numpy.savez('spikes.npz', i=monitor.i, t=monitor.t))"
)
_SION = f'is a file of SIONlib: let NEST record with record_to = "ascii", or {SAVE}'
_ZARR = (
    "is a Zarr store: in Python, export it as NWB in HDF5, for example with hdmf-zarr; or, if SpikeInterface "
    'wrote it, spikeinterface.load("{name}"){sorting}.save(folder="sorting") writes a folder that is read'
)

_KINDS = {
    _PICKLE: "pkl pickle",
    _UNPACK: "gz zip bz2 xz zst 7z tar tgz rar",
    _SHEET: "xlsx xls xlsm ods numbers",
    _SION: "sion",
    _XML: "xml",
    _FRAME: "parquet feather arrow dta sas7bdat rds rdata",
    _SORT: "abf ap asc axgd axgx bdf bin brw cfs continuous dam edf edr eeg ibw lfp lsx meta ncs nrd pxp raw "
    "rec rhd rhs sev tif tiff trc vhdr wcp xdat",
    _NEV: "ccf ns1 ns2 ns3 ns4 ns5 ns6 sif",
    _SHANK: "clu fet res spk",
    _WITH_NEO: "events medd mpx nse nst ntt nvt oebin openephys rdat ridx spikes tbk tdx tev tin tnt tsq",
    _PL2: "pl2",
    _KLUSTA: "kwx kwd",
    _WITH_OTHER: "mcd nex5 t",
}
_BY_SUFFIX = {suffix: text for text, suffixes in _KINDS.items() for suffix in suffixes.split()}


def explain(path: Path) -> str:
    """Say what a file or folder is that is not read, and what to do."""
    suffix = path.suffix.lower().removeprefix(".")
    if path.is_dir():
        return _explain_folder(path)
    if not path.is_file():
        return "is not a file"
    if suffix in ("h5", "hdf5", "hdf"):
        return _explain_hdf5(path)
    known = _BY_SUFFIX.get(suffix)
    if known:
        return known
    what = f"files named .{suffix} are not read" if suffix else "its name has no suffix that says what it is"
    return f"{what}: {SAVE}"


def _explain_folder(path: Path) -> str:
    if (path / ".zgroup").is_file() or (path / "zarr.json").is_file():
        return _ZARR.format(name=path.name, sorting=".sorting" if (path / "sorting").is_dir() else "")
    return (
        "is a folder, but not of Phy, Kilosort, ALF, SpikeInterface, Klusta, NeuroScope, MountainSort or "
        f"NEST: read it in Python, for example with neo, and {SAVE}"
    )


def _explain_hdf5(path: Path) -> str:
    try:
        import h5py

        with h5py.File(path, "r") as file:
            if "nwb_version" in file.attrs:
                return "is an NWB file: rename it so that its name ends in .nwb"
            if file.attrs.get("format") in ("nix", b"nix"):
                return "is a NIX file: rename it so that its name ends in .nix"
    except (ImportError, OSError):
        pass
    return f"is HDF5, which programs fill in their own ways: {SAVE}"
