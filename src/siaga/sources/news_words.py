"""The words of made news: those of ten topics, those of every article, and names that nobody bears."""

from collections.abc import Mapping

import numpy as np

# The commonest come first. A phrase is written with "_" here and with a space in the articles; some words, such as
# "court" and "bank", stand in two topics.
TOPICS: Mapping[str, str] = {
    "sport": "match team goal coach league season player final win cup_final striker defender stadium fans title "
    "champion tournament referee penalty injury keeper squad transfer training captain medal race sprint record "
    "tennis court round seed champions club draw defeat victory whistle pitch ball rival supporters trophy athlete "
    "marathon cyclist swimmer podium bench corner kick pass scored midfield fixture",
    "oil": "oil crude barrel pipeline refinery gas output drilling tanker price drill_bit fuel petrol exploration rig "
    "energy reserves cartel quota supply platform offshore litre refiners diesel export wells field pump storage "
    "gasoline shale terminal shipment heating cubic basin spill valve producer producers barrels demand cuts ceiling "
    "imports licence seabed geologist pressure wellhead",
    "harvest": "wheat grain crop farmer harvest maize tonnes sugar corn_belt soybean acres planting seed cattle rice "
    "barley milk farm fertiliser drought plough irrigation cocoa coffee bushel silo dairy livestock orchard hectare "
    "soil tractor cotton yield feed vineyard pest subsidy beef hog flour mill pasture granary combine ripening "
    "sowing weed herd potatoes",
    "banking": "bank interest rate loan dollar inflation central_bank deposit credit currency bond market investor "
    "yield debt treasury shares savings mortgage lender exchange bill borrowing broker dividend deficit fund "
    "liquidity yen reserve capital default profit quarter earnings audit stock trader branch teller budget maturity "
    "cash payment merger assets ledger lending",
    "health": "hospital patient doctor vaccine virus disease nurse treatment drug clinic blood_pressure trial surgery "
    "cancer infection symptoms dose medicine fever outbreak ward therapy heart diagnosis pharmacy immune tablet "
    "surgeon recovery screening midwife epidemic flu asthma diabetes allergy kidney lungs scan bandage ambulance "
    "stroke cure chronic injury dentist vitamins placebo",
    "elections": "vote election candidate party parliament minister voters campaign ballot coalition prime_minister "
    "opposition poll senate seat majority mayor debate reform constituency turnout cabinet deputy speech leader "
    "referendum manifesto conservative liberal alliance cabinet_post speaker chamber motion resignation lobby "
    "delegate congress rally amendment polling candidate_list governor seats bill",
    "courts": "court judge trial lawyer jury prison appeal verdict police charge supreme_court sentence prosecutor "
    "defendant witness crime murder theft evidence arrest guilty suspect attorney hearing custody fraud bail "
    "investigation detective robbery plea warrant convict offence testimony cell alibi smuggling acquitted statute "
    "lawsuit ruling damages inquest forensic magistrate",
    "space": "rocket orbit satellite launch moon astronaut telescope planet mission star space_station galaxy shuttle "
    "lander comet crew mars asteroid capsule engine gravity spacecraft probe solar booster astronomer crater antenna "
    "docking module universe light_year observatory thrust lunar flyby countdown propellant debris signal rover "
    "eclipse meteor nebula payload trajectory",
    "storms": "storm flood rain wind river dam rescue shelter damage evacuation flash_flood weather thunder hurricane "
    "warning coast levee bank mud landslide gust snow hail forecast bridge villages roof homes boats power_lines "
    "sandbags meteorologist tide overflow surge cyclone lightning temperature blizzard roads stranded debris relief "
    "volunteers water drainage embankment torrent",
    "films": "film actor director festival scene premiere cinema studio movie award box_office actress screen script "
    "camera comedy drama audience critic sequel documentary trailer cast producer role hero villain soundtrack "
    "screenplay animation theatre star costume thriller jury carpet dialogue editing remake musical reel stunt genre "
    "blockbuster screening makeup projector",
}
EVERYWHERE = (
    "year week month day people time country city world group plan report number part place house work life "
    "government company news monday tuesday wednesday thursday friday saturday sunday january february march april "
    "june july august september october november december morning night area region north south east west centre "
    "public local national official officials statement spokesman spokeswoman member members office state "
    "future past problem question answer change increase level point result decision meeting talks agreement support "
    "reason view term start end early late large small new old long short high low good better best big major "
    "recent expected earlier added announced asked called began "
    "showed found left held brought remained helped moved turned"
)
STOP_WORDS = (
    "the of and to a in that is was for it on with as he be by at his this had not are but from or have an they "
    "which were she you their been has there who will more if no when would so her can all we about into only its "
    "than them some could these then two may any other now such up over also after where most through before too"
)
NUMBERS = (
    "1 2 3 5 7 10 12 15 20 25 30 40 50 60 75 100 150 200 250 500 1,000 1,500 2,000 10,000 0.5 1.2 3.5 7.9 1987 2024"
)
OUTLETS = ("The Harbour Gazette", "Northport Courier", "Evening Ledger", "The Valley Herald", "Market Wire")

_ONSETS = [
    "b",
    "d",
    "f",
    "g",
    "h",
    "k",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "t",
    "v",
    "z",
    "br",
    "dr",
    "gr",
    "kl",
    "pr",
    "st",
    "tr",
]
_VOWELS = ["a", "e", "i", "o", "u", "ai", "ea", "ou"]
_ENDS = ["n", "r", "l", "s", "k", "m", "nd", "rt", "ll", "x"]


def invented_names(count: int) -> list[str]:
    """Return so many different names of two syllables; always the same ones."""
    rng = np.random.default_rng(0)
    known = set(" ".join([*TOPICS.values(), EVERYWHERE, STOP_WORDS]).split())
    names: dict[str, None] = {}
    while len(names) < count:
        parts = (_ONSETS, _VOWELS, _ONSETS, _VOWELS, _ENDS)
        name = "".join(part[rng.integers(len(part))] for part in parts)
        if name not in known:
            names[name] = None
    return list(names)
