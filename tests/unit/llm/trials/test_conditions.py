"""Which runs a benchmark has, and in which order."""

from kwdagger.llm.engine.plan import closed, open_loop
from kwdagger.llm.prompts.prompt import Prompt
from kwdagger.llm.trials.conditions import conditions_of, run_order
from kwdagger.llm.trials.settings import TrialSettings

SETTINGS = TrialSettings((Prompt('p', 'Why?'),), 'a', cold_trials=2)
PLANS = [closed(1), closed(4), open_loop(2.5, num_requests=1)]


def test_every_model_under_every_load():
    found = conditions_of(SETTINGS, ['a', 'b/c:1b'], PLANS)
    assert [(each.model, each.load) for each in found] == [
        (model, load)
        for model in ('a', 'b/c:1b')
        for load in ('1 at a time', '4 at a time', '2.5/s')
    ]
    assert [each.settings.cold_trials for each in found] == [2, 0, 0] * 2
    assert [each.settings.load for each in found] == PLANS * 2


def test_without_loads_the_trials_of_the_settings():
    (found,) = conditions_of(SETTINGS, ['a'], [])
    assert (found.load, found.settings) == ('1 at a time', SETTINGS)


def test_each_round_has_every_condition_in_an_order_of_its_own():
    conditions = conditions_of(SETTINGS, ['a', 'b', 'c'], PLANS)
    runs = list(run_order(conditions, 4, seed=7))
    rounds = [[run.place for run in runs if run.repeat == repeat] for repeat in range(4)]
    assert all(sorted(places) == list(range(9)) for places in rounds)
    assert len({tuple(places) for places in rounds}) == 4
    assert runs == list(run_order(conditions, 4, seed=7))
    assert runs != list(run_order(conditions, 4, seed=8))
    assert all(conditions[run.place] == run.condition for run in runs)


def test_folders_of_runs_differ():
    runs = list(run_order(conditions_of(SETTINGS, ['a', 'b/c:1b'], PLANS), 2, seed=0))
    folders = [run.folder for run in runs]
    assert len(set(folders)) == len(folders) == 12
    assert 'b_c_1b_2.5_s_1' in folders
