"""Recipes: found, overridden, checked whole, explained."""

import tomllib
from pathlib import Path

import pytest

from siaga.errors import RecipeError
from siaga.recipe import check_recipe, list_recipes, load_recipe, source_files, to_toml, variants_of
from siaga.schema import Fusion, Linear, RandomSplit, SelfTraining, TableSource

MINIMAL = """
name = "mine"
[source]
kind = "table"
path = "posts.csv"
[model]
kind = "linear"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", list_recipes())
def test_every_shipped_recipe_and_variant_is_sound(name: str) -> None:
    assert load_recipe(name).name == name
    assert load_recipe(name).summary
    for variant in variants_of(name):
        load_recipe(name, variant=variant)


def test_what_is_shown_can_be_loaded_again(tmp_path: Path) -> None:
    recipe = load_recipe("flood-triage")
    assert load_recipe(write(tmp_path, to_toml(recipe))) == recipe


def test_all_faults_are_told_together(tmp_path: Path) -> None:
    faulty = MINIMAL.replace("linear", "linaer") + "[evaluation]\nresamples = 3\n[decision]\ncost = 2\n"
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(tmp_path, faulty))
    assert str(caught.value).splitlines()[1:] == [
        "  - decision.cost: unknown key. Did you mean 'costs'?",
        "  - evaluation.resamples: input should be greater than or equal to 100, found 3",
        "  - model.kind: 'linaer' is not one of 'linear', 'lexicon', 'topics', 'encoder', 'recurrent', 'convnet',"
        " 'fusion', 'self_training', 'consistency'. Did you mean 'linear'?",
    ]


def test_an_unknown_key_inside_a_nested_member_is_named_with_its_place() -> None:
    with pytest.raises(
        RecipeError, match=r"model\.model\.members\.text\.minposts: unknown key\. Did you mean 'min_posts'"
    ):
        load_recipe("flood-triage", overrides=["model.model.members.text.minposts=3"])


def test_a_key_of_another_kind_says_which_kind_has_it() -> None:
    with pytest.raises(RecipeError, match=r"source\.path: unknown key\. It belongs to kind 'table' or 'folder'"):
        load_recipe("flood-triage", overrides=["source.path=posts.csv"])


def test_an_override_of_the_kind_starts_the_table_anew() -> None:
    recipe = load_recipe("flood-triage", overrides=["source.kind=table", "source.path=posts.csv", "seed=4"])
    assert recipe.source == TableSource(path=Path("posts.csv"))
    assert recipe.seed == 4


def test_an_override_reaches_one_setting_and_leaves_the_others() -> None:
    before = load_recipe("flood-triage").model
    after = load_recipe("flood-triage", overrides=["model.model.members.text.words=[1, 1]", "model.rounds=2"]).model
    assert isinstance(before, SelfTraining)
    assert isinstance(after, SelfTraining)
    assert isinstance(after.model, Fusion)
    text = after.model.members["text"]
    assert isinstance(text, Linear)
    assert text.words == (1, 1)
    assert text.cleaning.hashtag_words == ("banjir",)
    assert after.model_copy(update={"rounds": before.rounds, "model": before.model}) == before


def test_an_empty_table_empties_what_it_is_laid_over() -> None:
    overrides = ['model.fields=["text"]', "model.fill={}"]
    changed = load_recipe("disaster-tweets", variant="study", overrides=overrides).model
    assert isinstance(changed, Linear)
    assert (changed.fields, changed.fill, changed.cleaning.percent_codes) == (("text",), {}, True)


def test_a_word_that_is_none_of_the_known_ones_gets_a_suggestion() -> None:
    with pytest.raises(RecipeError, match=r"model\.head: .*, found 'rigde'\. Did you mean 'ridge'\?"):
        load_recipe("disaster-tweets", overrides=["model.head=rigde"])
    with pytest.raises(RecipeError, match=r"Did you mean 'catboost'\?"):
        load_recipe("disaster-tweets", overrides=["model.head=catbost"])


@pytest.mark.parametrize("override", ["rounds", "=3", ""])
def test_an_override_without_key_and_value_is_refused(override: str) -> None:
    with pytest.raises(RecipeError, match="is not key=value"):
        load_recipe("flood-triage", overrides=[override])


def test_an_unknown_name_or_variant_gets_a_suggestion() -> None:
    with pytest.raises(RecipeError, match="Did you mean 'flood-triage'"):
        load_recipe("floodtriage")
    with pytest.raises(RecipeError, match="Did you mean 'pretrained'"):
        load_recipe("flood-triage", variant="pretrain")


def test_paths_in_a_file_are_relative_to_it_and_overrides_to_the_working_folder(tmp_path: Path) -> None:
    path = write(tmp_path, MINIMAL)
    assert source_files(load_recipe(path)) == [tmp_path / "posts.csv"]
    assert source_files(load_recipe(path, overrides=["source.path=other.csv"])) == [Path("other.csv")]


def test_a_source_needs_exactly_one_way_in(tmp_path: Path) -> None:
    for source in ('path = "a.csv"\ntrain = "b.csv"', ""):
        with pytest.raises(RecipeError, match="set either path"):
            load_recipe(write(tmp_path, MINIMAL.replace('path = "posts.csv"', source)))


def test_costs_name_known_classes() -> None:
    with pytest.raises(RecipeError, match="'INFOS' is not among the classes NO_INFO, INFO"):
        load_recipe("flood-triage", overrides=["decision.costs.INFOS=10"])


def test_what_is_not_toml_or_not_utf8_is_said_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"is not TOML: .*line 1"):
        load_recipe(write(tmp_path, "name = = 3"))
    path = tmp_path / "mine.toml"
    path.write_bytes("name = 'é'".encode("utf-16"))
    with pytest.raises(RecipeError, match="is not UTF-8"):
        load_recipe(path)


def test_defaults_are_written_out_once_shown() -> None:
    shown = tomllib.loads(to_toml(load_recipe("flood-triage")))
    assert shown["model"]["guard"] == "no_loss"
    numbers = {"resamples": 2000, "top_losses": 25, "examples": 24, "explanations": 5, "map_posts": 500}
    assert shown["evaluation"] == {"kind": "classification", **numbers}


@pytest.mark.parametrize("name", ["../x", "text/a", "/x", "", ".", "prior.json", "a b", "a\nb"])
def test_a_name_that_becomes_a_folder_leads_nowhere_else(name: str) -> None:
    member = {"kind": "linear"}
    members = {name: member, "other": member}
    source = {"kind": "synthetic"}
    with pytest.raises(RecipeError, match="is not a name"):
        check_recipe({"name": "mine", "source": source, "model": {"kind": "fusion", "members": members}}, where="it")
    with pytest.raises(RecipeError, match=r"name: .* is not a name"):
        check_recipe({"name": name, "source": source, "model": member}, where="it")


@pytest.mark.parametrize(
    "override",
    [
        'classes=["INFO", "NO_INFO", "INFO"]',
        'classes=["INFO", " "]',
        "model.model.members.text.words=[3, 1]",
        "model.model.members.text={kind = 'linear', words = false, characters = false}",
        "model.model.members.image.channels=[]",
        "model.model.members.image.batch_size=1",
        "model.model.members.image.learning_rate=inf",
        "decision.costs.INFO=inf",
        "seed=4294967296",
        "source.seed=-1",
        'source={kind = "table", path = "posts.csv", labels = {flood = ""}}',
    ],
)
def test_a_setting_that_cannot_work_is_refused_before_any_work(override: str) -> None:
    with pytest.raises(RecipeError, match="1 fault"):
        load_recipe("flood-triage", overrides=[override])


def test_the_kind_may_be_set_after_what_belongs_to_it() -> None:
    late = load_recipe("flood-triage", overrides=["source.path=posts.csv", "source.kind=table"])
    assert late.source == TableSource(path=Path("posts.csv"))


def test_a_split_without_a_kind_is_the_default_one(tmp_path: Path) -> None:
    split = RandomSplit(test=0.3)
    assert load_recipe("flood-triage", overrides=["split.test=0.3"]).split == split
    assert load_recipe(write(tmp_path, MINIMAL + "[split]\ntest = 0.3\n")).split == split
    with pytest.raises(RecipeError, match=r"split\.tset: unknown key\. Did you mean 'test'"):
        load_recipe("flood-triage", overrides=["split.tset=0.3"])


def test_the_paths_of_a_variant_are_relative_to_the_file_as_well(tmp_path: Path) -> None:
    path = write(tmp_path, MINIMAL + '[variants.more.source]\nunlabelled = "more.csv"\n')
    assert source_files(load_recipe(path, variant="more")) == [tmp_path / "posts.csv", tmp_path / "more.csv"]


def test_a_fault_of_a_whole_part_is_placed_without_its_kind(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="source: set either path"):
        load_recipe(write(tmp_path, MINIMAL.replace('path = "posts.csv"', "")))


def test_several_variants_are_laid_one_over_the_other(tmp_path: Path) -> None:
    path = write(tmp_path, MINIMAL + "[variants.a]\nseed = 1\nsummary = 'a'\n[variants.b]\nseed = 2\n")
    both = load_recipe(path, variant="a,b")
    assert (both.seed, both.summary) == (2, "a")
    with pytest.raises(RecipeError, match="has no variant 'c'"):
        load_recipe(path, variant="a,c")


def test_a_space_to_be_searched_goes_with_the_kind_of_model_it_was_written_for(tmp_path: Path) -> None:
    other = "[variants.other.model]\nkind = 'recurrent'\n[variants.same]\nseed = 1\n"
    path = write(tmp_path, MINIMAL + "[search]\nspace = { 'model.C' = { low = 0.1, high = 1.0 } }\n" + other)
    assert load_recipe(path).search.space.keys() == {"model.C"}
    assert load_recipe(path, variant="same").search.space.keys() == {"model.C"}
    assert not load_recipe(path, variant="other").search.space
