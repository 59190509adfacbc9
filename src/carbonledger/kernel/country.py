"""Countries of ISO 3166-1, by their two-letter codes.

Owns the codes. It does not own names, which are a matter of language, nor which taxes a country has.

Source: ISO 3166-1, the 249 officially assigned alpha-2 codes; the same as in ``iso3166.tab`` of the IANA time zone database, to which a
test compares them. A code that ISO withdraws later stays in this table, since documents keep it for ever.
"""

from __future__ import annotations

from typing import Final

from carbonledger.kernel import errors

_LIST: Final = """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK
    CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS
    GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV
    LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM
    PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR
    TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""
_CODES: Final = frozenset(_LIST.split())


class CountryUnknown(errors.Invalid):
    """ISO 3166-1 has no country of this code."""

    code = "country_unknown"


def by_code(code: str) -> str:
    """Return this two-letter code, which must be in capitals. Raises ``CountryUnknown``."""
    if code not in _CODES:
        raise CountryUnknown("Give a two-letter code of ISO 3166-1 in capitals, such as DE.")
    return code


def codes() -> frozenset[str]:
    """Return the codes of all countries."""
    return _CODES
