"""The script that scores NAS-Bench-Macro: what it keeps of an interrupted call, and the table that it writes."""

from __future__ import annotations

from pathlib import Path

from score_macro import Scored, drawn_by, key_of, known_scores, members_of, rows_of

from naslab.estimators.ensemble import RankEnsemble, normal_score
from naslab.estimators.proxies.proxy import Probe
from naslab.space import load_space
from naslab.study.data_choice import DataChoice


def test_a_line_that_was_cut_short_is_scored_again(tmp_path: Path) -> None:
    path = tmp_path / "naswot.csv"
    assert known_scores(path) == {}
    path.write_text("22212220,419.5,0.25\n00000000,3", encoding="ascii")
    assert known_scores(path) == {"22212220": Scored(419.5, 0.25)}
    path.write_text("22212220,419.5,0.25\n00000000,3\n00000012,310.0,0.5\n", encoding="ascii")
    assert set(known_scores(path)) == {"22212220", "00000012"}


def test_votes_stand_beside_scores_and_networks_without_have_empty_cells() -> None:
    probe = Probe(data=DataChoice(name="cifar10"))
    ensemble = RankEnsemble(space=load_space("nas_bench_macro"), probe=probe)
    drawn = [key_of(each) for each in drawn_by(ensemble)]
    scores = {key: Scored(300.0 + number, 0.1) for number, key in enumerate(dict.fromkeys([*drawn, "22212220"]))}
    header, known, unknown = rows_of(scores, ["22212220", "10000000"], ensemble)
    assert header == "key,naswot,ensemble"
    assert unknown == "10000000,,"
    own = members_of("22212220", scores["22212220"].score, ensemble)
    reference = [members_of(key, scores[key].score, ensemble) for key in drawn]
    votes = [normal_score(own[name], sorted(each[name] for each in reference)) for name in ("naswot", "layers", "macs")]
    vote = (2 * votes[0] + votes[1] - 0.5 * votes[2]) / 3.5
    assert known == f"22212220,{own['naswot']:.8g},{vote:.8g}"
