"""zoneinfo without a file system: the time zones come from the frozen module _fs_tzdata (freeze.py makes it)."""

import io
import zoneinfo
from zoneinfo import _common, _tzpath

import _fs_tzdata


def _load_tzdata(key):
    try:
        return io.BytesIO(_fs_tzdata.ZONES[key])
    except KeyError:
        raise zoneinfo.ZoneInfoNotFoundError(f"No time zone found with key {key}") from None


def _available_timezones():
    """The names of all time zones that ZoneInfo knows here."""
    return set(_fs_tzdata.ZONES)


def install():
    """Points zoneinfo, both its C and its Python half, at the embedded time zones."""
    _common.load_tzdata = _load_tzdata
    _tzpath.available_timezones = _available_timezones
    zoneinfo.available_timezones = _available_timezones
