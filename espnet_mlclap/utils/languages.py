"""The languages of SONAR's text encoder, by their FLORES-200 codes (language, underscore, script)."""

import difflib
import re
from typing import Dict, List, Tuple

from espnet_mlclap.utils.errors import UserError

# The order is that of SONAR's asset card: it decides each language token's number.
SONAR_LANGUAGES: Tuple[str, ...] = tuple(
    """
    ace_Arab ace_Latn acm_Arab acq_Arab aeb_Arab afr_Latn ajp_Arab aka_Latn amh_Ethi
    apc_Arab arb_Arab ars_Arab ary_Arab arz_Arab asm_Beng ast_Latn awa_Deva ayr_Latn
    azb_Arab azj_Latn bak_Cyrl bam_Latn ban_Latn bel_Cyrl bem_Latn ben_Beng bho_Deva
    bjn_Arab bjn_Latn bod_Tibt bos_Latn bug_Latn bul_Cyrl cat_Latn ceb_Latn ces_Latn
    cjk_Latn ckb_Arab crh_Latn cym_Latn dan_Latn deu_Latn dik_Latn dyu_Latn dzo_Tibt
    ell_Grek eng_Latn epo_Latn est_Latn eus_Latn ewe_Latn fao_Latn pes_Arab fij_Latn
    fin_Latn fon_Latn fra_Latn fur_Latn fuv_Latn gla_Latn gle_Latn glg_Latn grn_Latn
    guj_Gujr hat_Latn hau_Latn heb_Hebr hin_Deva hne_Deva hrv_Latn hun_Latn hye_Armn
    ibo_Latn ilo_Latn ind_Latn isl_Latn ita_Latn jav_Latn jpn_Jpan kab_Latn kac_Latn
    kam_Latn kan_Knda kas_Arab kas_Deva kat_Geor knc_Arab knc_Latn kaz_Cyrl kbp_Latn
    kea_Latn khm_Khmr kik_Latn kin_Latn kir_Cyrl kmb_Latn kon_Latn kor_Hang kmr_Latn
    lao_Laoo lvs_Latn lij_Latn lim_Latn lin_Latn lit_Latn lmo_Latn ltg_Latn ltz_Latn
    lua_Latn lug_Latn luo_Latn lus_Latn mag_Deva mai_Deva mal_Mlym mar_Deva min_Latn
    mkd_Cyrl plt_Latn mlt_Latn mni_Beng khk_Cyrl mos_Latn mri_Latn zsm_Latn mya_Mymr
    nld_Latn nno_Latn nob_Latn npi_Deva nso_Latn nus_Latn nya_Latn oci_Latn gaz_Latn
    ory_Orya pag_Latn pan_Guru pap_Latn pol_Latn por_Latn prs_Arab pbt_Arab quy_Latn
    ron_Latn run_Latn rus_Cyrl sag_Latn san_Deva sat_Beng scn_Latn shn_Mymr sin_Sinh
    slk_Latn slv_Latn smo_Latn sna_Latn snd_Arab som_Latn sot_Latn spa_Latn als_Latn
    srd_Latn srp_Cyrl ssw_Latn sun_Latn swe_Latn swh_Latn szl_Latn tam_Taml tat_Cyrl
    tel_Telu tgk_Cyrl tgl_Latn tha_Thai tir_Ethi taq_Latn taq_Tfng tpi_Latn tsn_Latn
    tso_Latn tuk_Latn tum_Latn tur_Latn twi_Latn tzm_Tfng uig_Arab ukr_Cyrl umb_Latn
    urd_Arab uzn_Latn vec_Latn vie_Latn war_Latn wol_Latn xho_Latn ydd_Hebr yor_Latn
    yue_Hant zho_Hans zho_Hant zul_Latn
    """.split()
)

# FLORES-200 codes of the languages that M2M100 and Opus-MT call by an ISO 639-1 code (or a longer one
# where there is none): the 100 of Fan et al., "Beyond English-centric multilingual MT", 2020.
ISO_CODES: Dict[str, str] = dict(
    pair.split(":")
    for pair in """
    afr_Latn:af amh_Ethi:am arb_Arab:ar ast_Latn:ast azj_Latn:az bak_Cyrl:ba bel_Cyrl:be bul_Cyrl:bg
    ben_Beng:bn bos_Latn:bs cat_Latn:ca ceb_Latn:ceb ces_Latn:cs cym_Latn:cy dan_Latn:da deu_Latn:de
    ell_Grek:el eng_Latn:en spa_Latn:es est_Latn:et pes_Arab:fa fuv_Latn:ff fin_Latn:fi fra_Latn:fr
    gle_Latn:ga gla_Latn:gd glg_Latn:gl guj_Gujr:gu hau_Latn:ha heb_Hebr:he hin_Deva:hi hrv_Latn:hr
    hat_Latn:ht hun_Latn:hu hye_Armn:hy ind_Latn:id ibo_Latn:ig ilo_Latn:ilo isl_Latn:is ita_Latn:it
    jpn_Jpan:ja jav_Latn:jv kat_Geor:ka kaz_Cyrl:kk khm_Khmr:km kan_Knda:kn kor_Hang:ko ltz_Latn:lb
    lug_Latn:lg lin_Latn:ln lao_Laoo:lo lit_Latn:lt lvs_Latn:lv plt_Latn:mg mkd_Cyrl:mk mal_Mlym:ml
    khk_Cyrl:mn mar_Deva:mr zsm_Latn:ms mya_Mymr:my npi_Deva:ne nld_Latn:nl nob_Latn:no nso_Latn:ns
    oci_Latn:oc ory_Orya:or pan_Guru:pa pol_Latn:pl pbt_Arab:ps por_Latn:pt ron_Latn:ro rus_Cyrl:ru
    snd_Arab:sd sin_Sinh:si slk_Latn:sk slv_Latn:sl som_Latn:so als_Latn:sq srp_Cyrl:sr ssw_Latn:ss
    sun_Latn:su swe_Latn:sv swh_Latn:sw tam_Taml:ta tha_Thai:th tgl_Latn:tl tsn_Latn:tn tur_Latn:tr
    ukr_Cyrl:uk urd_Arab:ur uzn_Latn:uz vie_Latn:vi wol_Latn:wo xho_Latn:xh ydd_Hebr:yi yor_Latn:yo
    zho_Hans:zh zul_Latn:zu
    """.split()
)

# Codes of ISO 639-2 (bibliographic, macrolanguages) of languages whose FLORES-200 codes begin otherwise.
_OTHER_CODES: Dict[str, str] = dict(
    pair.split(":")
    for pair in """
    alb:als_Latn sqi:als_Latn ara:arb_Arab arm:hye_Armn aym:ayr_Latn aze:azj_Latn baq:eus_Latn bur:mya_Mymr
    chi:zho_Hans cmn:zho_Hans cze:ces_Latn dut:nld_Latn fas:pes_Arab per:pes_Arab fre:fra_Latn ful:fuv_Latn
    geo:kat_Geor ger:deu_Latn gre:ell_Grek ice:isl_Latn kau:knc_Latn kur:kmr_Latn lav:lvs_Latn mac:mkd_Cyrl
    mao:mri_Latn may:zsm_Latn mlg:plt_Latn mon:khk_Cyrl msa:zsm_Latn nep:npi_Deva nor:nob_Latn ori:ory_Orya
    orm:gaz_Latn pus:pbt_Arab que:quy_Latn rum:ron_Latn slo:slk_Latn swa:swh_Latn tib:bod_Tibt uzb:uzn_Latn
    wel:cym_Latn yid:ydd_Hebr
""".split()
)
_TRADITIONAL = frozenset(
    ("hant", "tw", "hk", "mo")
)  # scripts and regions of Chinese in traditional characters

# English and the seven languages of the ML-CLAP paper (section 3.3).
PAPER_LANGUAGES: Tuple[str, ...] = tuple(
    "eng_Latn fra_Latn deu_Latn spa_Latn nld_Latn cat_Latn jpn_Jpan zho_Hans".split()
)

PAPER_SOURCE = PAPER_LANGUAGES[0]  # what its captions were written in; the others are translations


def check_language(code: str, where: str = "") -> str:
    """Return `code` if SONAR knows it.

    Args:
        code: a FLORES-200 code such as "fra_Latn".
        where: file and line, or option, that named it; comes first in the error.

    Raises:
        UserError: unknown code; names the ones that look like it.
    """
    if code in SONAR_LANGUAGES:
        return code
    near = _same_language(code) or difflib.get_close_matches(code, SONAR_LANGUAGES, n=3)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise UserError(
        f"{where + ': ' if where else ''}unknown language code {code!r}; FLORES-200 codes are used "
        f"(eng_Latn, fra_Latn, ...).{hint}"
    )


def _same_language(code: str) -> List[str]:
    """What a code of another standard (`fr`, `ger`, `zh-TW`) may stand for."""
    first, *rest = re.split("[-_]", code.lower())
    same = [
        known
        for known in SONAR_LANGUAGES
        if known[:3] == first[:3] or ISO_CODES.get(known) == first
    ]
    if first in _OTHER_CODES:
        same.append(_OTHER_CODES[first])
    if "zho_Hans" in same and _TRADITIONAL & set(rest):
        return ["zho_Hant"]
    return same
