"""From articles to a report of topics, a bundle and its answers: the recipe `news-topics`, as people run it."""

import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import siaga
from siaga.bundle import load_bundle
from siaga.errors import BundleError, DataError, RecipeError
from siaga.evaluation.reports import read_any_report
from siaga.evaluation.topics.coherences import measure_coherence
from siaga.evaluation.topics.measure import completion
from siaga.evaluation.topics.report import TopicReport
from siaga.features.spelling import recode
from siaga.models.topics.agreement import top_words
from siaga.models.topics.factorisation import factorised
from siaga.post import Post
from siaga.quarantine import Quarantine
from siaga.recipe import check_recipe, load_recipe
from siaga.schema import SyntheticSource
from siaga.sources.synthetic import make_posts
from siaga.topic_run import found_topics, prepare_corpus
from siaga.workflow import evaluate_bundle, train

SMALL = ("source.posts=600", "source.classes=4", "source.length=60", "model.topics=4", "evaluation.resamples=100")
POSTS = list(make_posts(SyntheticSource(looks_like="news-topics", posts=600, classes=4, length=60))["posts"])


def trained(out: Path, *settings: str) -> TopicReport:
    report = train(load_recipe("news-topics", overrides=[*SMALL, *settings]), out)
    assert isinstance(report, TopicReport)
    return report


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "news"
    trained(folder)
    return folder


SIAGA = [sys.executable, "-c", "from siaga.cli.main import main; main()"]


def write_articles(path: Path, posts: Sequence[Post]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "title", "publication", "date", "content"])
        for post in posts:
            time = post.time.isoformat() if post.time else ""
            writer.writerow([post.id, post.fields["title"], post.fields["publication"], time, post.text or ""])
    return path


def told(*arguments: str, input_: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([*SIAGA, *arguments], input=input_, capture_output=True, text=True, check=False)


def test_the_run_folder_holds_every_record(run: Path) -> None:
    found = {path.name for path in run.iterdir()}
    assert found == {"bundle", "metrics.jsonl", "predictions.parquet", "recipe.toml", "report.html", "report.json"}
    report = read_any_report(run / "report.json")
    assert isinstance(report, TopicReport)
    assert report.n == report.data["splits"]["test"]["posts"] == 120
    assert [topic["name"] for topic in report.topics] == report.classes == load_bundle(run / "bundle").classes
    assert sum(topic["share"] for topic in report.topics) == pytest.approx(1.0)
    assert sum(topic["posts"] for topic in report.topics) == report.n


def test_every_figure_has_an_interval_and_beats_one_topic_for_all(run: Path) -> None:
    report = read_any_report(run / "report.json")
    assert isinstance(report, TopicReport)
    for name in ("perplexity", "npmi", "c_v", "stability", "unclear"):
        value, low, high = (report.metrics[name][end] for end in ("value", "low", "high"))
        assert low is not None
        assert value is not None
        assert high is not None
        assert low <= value <= high
    ours, unigram = report.metrics["perplexity"]["high"], report.baselines["unigram"]["perplexity"]["low"]
    assert ours is not None
    assert unigram is not None
    assert ours < unigram
    assert report.labels["nmi"]["value"] > 0.8
    assert report.labels["purity"]["value"] > 0.9


def test_what_is_written_is_what_the_shipped_bundle_answers(run: Path) -> None:
    from siaga.evaluation.predictions import read_predictions

    table = read_predictions(run / "predictions.parquet")
    by_id = {post.id: post for post in POSTS}
    again = load_bundle(run / "bundle").predict([by_id[each.id] for each in table.predictions])
    for one, other in zip(table.predictions, again, strict=True):
        assert one.label == other.label
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-9)


def test_the_same_recipe_gives_the_same_bundle_in_another_process(run: Path, tmp_path: Path) -> None:
    settings = [word for setting in SMALL for word in ("--set", setting)]
    done = told("train", "news-topics", *settings, "--out", str(tmp_path / "again"))
    assert done.returncode == 0, done.stderr
    assert load_bundle(tmp_path / "again" / "bundle").model_sha256 == load_bundle(run / "bundle").model_sha256
    assert "topic 1" in done.stdout
    assert "perplexity" in done.stdout


def test_shuffled_words_have_no_topics(tmp_path: Path) -> None:
    """Articles that share their words by chance alone are no more predictable with topics than without."""
    rng = np.random.default_rng(0)
    words = np.array([word for post in POSTS for word in (post.text or "").split()])
    lines = [" ".join(words[rng.integers(0, len(words), 60)]) for _ in range(400)]
    articles = [Post(str(i), text=line, fields={"title": "-", "publication": "-"}) for i, line in enumerate(lines)]
    source = write_articles(tmp_path / "mixed.csv", articles)
    report = trained(tmp_path / "run", 'source={kind="table"}', f"source.path={source}", *COLUMNS)
    model, unigram = (row["perplexity"]["value"] for row in (report.metrics, report.baselines["unigram"]))
    assert model is not None
    assert unigram is not None
    assert model > 0.97 * unigram


COLUMNS = (
    'source.columns={text="content", time="date", fields=["title", "publication"]}',
    "split.validation=0.1",
)


def test_a_file_of_articles_is_learned_broken_lines_are_set_aside_and_new_ones_answered(tmp_path: Path) -> None:
    path = write_articles(tmp_path / "articles.csv", POSTS)
    with path.open("ab") as stream:
        stream.write(b'bad,"\xff\xfe",x,2026-01-01,y\nempty,,,,\n')
    table = {
        "name": "mine",
        "source": {"kind": "table", "path": str(path), "columns": {"text": "content", "time": "date"}},
        "model": {"kind": "topics", "topics": 4, "words": {"left_out": ["northport courier"]}},
        "evaluation": {"resamples": 100, "seeds": 0, "baselines": []},
    }
    report = train(check_recipe(table, where="it"), tmp_path / "run")
    assert isinstance(report, TopicReport)
    assert sum(report.data["quarantine"].values()) == 2 + sum(post.text is None for post in POSTS)
    assert report.baselines == {}
    assert "stability" not in report.metrics
    assert report.prevalence["starts"]
    done = told("predict", str(tmp_path / "run" / "bundle"), str(path), "-o", str(tmp_path / "answers.jsonl"))
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert len(lines) == len({line["id"] for line in lines}) >= len(POSTS)
    assert {line["label"] for line in lines} <= set(report.classes)


def test_the_title_of_a_file_is_read_and_its_outlet_left_out_as_in_python(run: Path, tmp_path: Path) -> None:
    bundle = load_bundle(run / "bundle")  # It was learned from made posts, so its recipe names no columns.
    path = write_articles(tmp_path / "new.csv", POSTS[:40])
    done = told("predict", str(run / "bundle"), str(path), "--column", "text=content")
    assert done.returncode == 0, done.stderr
    found = {line["id"]: line["probabilities"] for line in map(json.loads, done.stdout.splitlines())}
    expected = {each.id: each.probabilities for each in bundle.predict(POSTS[:40])}
    assert found == expected
    assert expected != {
        each.id: each.probabilities for each in bundle.predict([Post(p.id, p.text) for p in POSTS[:40]])
    }


def test_new_articles_are_measured_from_a_file_into_a_page_with_their_course_over_time(
    run: Path, tmp_path: Path
) -> None:
    path = write_articles(tmp_path / "new.csv", POSTS)
    columns = ("--column", "text=content", "--column", "time=date")
    done = told("evaluate", str(run / "bundle"), str(path), *columns, "--out", str(tmp_path / "measured"))
    assert done.returncode == 0, done.stderr
    report = read_any_report(tmp_path / "measured" / "report.json")
    assert isinstance(report, TopicReport)
    assert report.prevalence["starts"]
    assert report.vocabulary["words"] == len(found_topics(load_bundle(run / "bundle")).vocabulary_)
    assert "different" in (tmp_path / "measured" / "report.html").read_text()


def test_a_time_that_the_recipe_names_is_read_to_measure_topics(tmp_path: Path) -> None:
    path = write_articles(tmp_path / "articles.csv", POSTS)
    run = tmp_path / "run"
    settings = [f"source.path={path}", "model.topics=4", "evaluation.resamples=100", "evaluation.seeds=0"]
    train(load_recipe("news-topics", variant="csv", overrides=settings), run)
    done = told("evaluate", str(run / "bundle"), str(path), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["prevalence"]["starts"]


def test_an_article_of_one_unknown_word_and_an_empty_one_are_answered(run: Path) -> None:
    done = told("predict", str(run / "bundle"), "-", input_='{"id": "1", "text": "zzyqx"}\n{"id": "2", "text": ""}\n')
    assert done.returncode == 0, done.stderr
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert (first["used"], first["error"]) == ([], "no word of it is known")
    assert (second["used"], second["error"]) == ([], "nothing to read: answered with the class frequencies")
    assert first["probabilities"] == second["probabilities"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("source.posts=20", "model.topics=40"), "too few for 40 topics"),
        (("model.words.max_share=0.0001",), "too few for 4 topics"),
        (('model.fields=["headline"]',), "headline"),
        (("model.start=nowhere",), "nowhere"),
        (('classes=["a", "b"]',), "topics are found without labels, so classes has no meaning"),
        (('evaluation={kind="classification"}',), "topics are measured as topics"),
        (("model.topics=1",), "greater than or equal to 2"),
        (("model.doubt=1e-300",), "greater than or equal to 0.000001"),
    ],
)
def test_a_fault_of_the_user_is_one_message_and_leaves_nothing(
    settings: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    words = [word for setting in (*SMALL, *settings) for word in ("--set", setting)]
    done = told("train", "news-topics", *words, "--out", str(tmp_path / "run"))
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_going_on_from_a_bundle_keeps_numbers_and_says_how_far_topics_moved(run: Path, tmp_path: Path) -> None:
    report = trained(tmp_path / "later", "source.seed=8", f"model.start={run / 'bundle'}")
    assert report.update["start"] == load_bundle(run / "bundle").version
    assert report.update["moved"] == []
    assert min(report.update["similarity"]) > 0.9
    shipped = load_bundle(tmp_path / "later" / "bundle")  # It loads without the bundle it went on from.
    asked = POSTS[:200]
    before, after = (bundle.predict(asked) for bundle in (load_bundle(run / "bundle"), shipped))
    assert np.mean([one.label == other.label for one, other in zip(before, after, strict=True)]) > 0.9
    assert "start" not in json.loads((tmp_path / "later" / "bundle" / "bundle.json").read_text())["recipe"]["model"]


def test_auto_tells_what_it_tried_and_how_the_chosen_one_was_learned(tmp_path: Path) -> None:
    report = trained(tmp_path / "run", "model.topics=auto", "model.choices=[2, 4]", "evaluation.seeds=0")
    assert [(row["topics"], row["chosen"]) for row in report.choice] == [(2, False), (4, True)]
    events = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    kept = [event for event in events if event["step"] == "sweep" and event["topics"] == 4]
    assert [each["iteration"] for each in report.training] == [event["done"] for event in kept] != []
    assert load_bundle(tmp_path / "run" / "bundle").classes == ["topic 1", "topic 2", "topic 3", "topic 4"]


def test_training_posts_are_learned_from_validation_posts_choose_and_test_posts_measure(tmp_path: Path) -> None:
    settings = ("model.topics=auto", "model.choices=[2, 4]", "model.iterations=20", "evaluation.seeds=0")
    report = trained(tmp_path / "run", *settings)
    topics = found_topics(load_bundle(tmp_path / "run" / "bundle"))
    recipe = load_recipe("news-topics", overrides=[*SMALL, *settings])
    corpus, parts, _ = prepare_corpus(recipe, quarantine=Quarantine())
    texts = {name: recode(corpus.spelt, topics.vocabulary_).take(rows) for name, rows in parts.items()}
    assert topics.learned_.counts.sum() == len(texts["train"].tokens)
    guessed = {name: completion(topics, texts[name], resamples=100, seed=0) for name in ("validation", "test")}
    [chosen] = [row for row in report.choice if row["chosen"]]
    assert chosen["perplexity"]["value"] == pytest.approx(guessed["validation"]["value"])
    assert report.metrics["perplexity"] == guessed["test"]
    parts_of_train = factorised(texts["train"], len(topics.vocabulary_), topics=4, seed=0, sweeps=100)
    coherence, _ = measure_coherence(top_words(parts_of_train.astype(np.float32), 10), texts["test"])
    assert report.baselines["nmf"]["npmi"] == coherence["npmi"]


def test_fewer_posts_for_other_seeds_than_topics_leave_stability_and_the_factorisation_out(tmp_path: Path) -> None:
    report = trained(tmp_path / "run", "model.iterations=10", "evaluation.seed_words=60")
    assert set(report.baselines) == {"unigram"}
    assert "stability" not in report.metrics


def test_only_topics_can_be_gone_on_from(tmp_path: Path) -> None:
    other = tmp_path / "other"
    train(load_recipe("stream-sentiment", overrides=["source.posts=200", "evaluation.resamples=100"]), other)
    with pytest.raises(BundleError, match="has no topics"):
        trained(tmp_path / "run", f"model.start={other / 'bundle'}")


def test_a_bundle_is_measured_on_new_articles_without_labels(run: Path) -> None:
    new = [
        post.with_label(None)
        for post in make_posts(SyntheticSource(looks_like="news-topics", seed=9, posts=200, classes=4, length=60))[
            "posts"
        ]
    ]
    evaluation = evaluate_bundle(load_bundle(run / "bundle"), new)
    assert isinstance(evaluation.report, TopicReport)
    assert set(evaluation.report.metrics) == {"perplexity", "npmi", "c_v", "diversity", "unclear"}
    assert set(evaluation.report.baselines) == {"unigram"}
    assert evaluation.report.labels == {}
    with pytest.raises(DataError, match="has a word that these topics know"):
        evaluate_bundle(load_bundle(run / "bundle"), [Post("1", text="zzyqx")])


def test_check_says_what_would_be_learned_and_compare_and_select_say_why_not(run: Path) -> None:
    settings = [word for setting in SMALL for word in ("--set", setting)]
    checked = told("check", "news-topics", *settings)
    assert checked.returncode == 0, checked.stderr
    assert "420 posts" in checked.stdout
    assert "known" in checked.stdout
    for command in (("compare", str(run), str(run)), ("select", "news-topics")):
        done = told(*command)
        assert done.returncode == 1
        assert "topics" in done.stderr
        assert "Traceback" not in done.stderr


def test_topics_are_no_part_of_a_classifier_of_labels() -> None:
    table = {
        "name": "x",
        "source": {"kind": "synthetic"},
        "model": {"kind": "self_training", "model": {"kind": "topics"}},
    }
    with pytest.raises(RecipeError, match="topics are no labels"):
        check_recipe(table, where="it")


def test_topics_have_the_manners_of_a_transformer() -> None:
    texts, labels = [post.text for post in POSTS], [post.label for post in POSTS]
    found = siaga.PostTopics(topics=4, settings={"iterations": 40}).fit(texts)
    shares = found.transform(texts)
    assert shares.shape == (600, 4)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    assert found.components_.shape == (4, len(found.words_))
    assert [len(words) for words in found.top_words(5)] == [5, 5, 5, 5]
    assert found.get_feature_names_out().tolist() == ["topic 1", "topic 2", "topic 3", "topic 4"]
    pipeline = make_pipeline(clone(found), LogisticRegression()).fit(texts, labels)
    assert pipeline.score(texts, labels) > 0.9
    with pytest.raises(RecipeError, match=r"Use siaga\.PostTopics"):
        siaga.PostClassifier({"kind": "topics"}).fit(texts, labels)
    with pytest.raises(RecipeError, match=r"settings name kind\. Leave it out"):
        siaga.PostTopics(settings={"kind": "linear"}).fit(texts)
    with pytest.raises(RecipeError, match="settings name start, which only"):
        siaga.PostTopics(topics=4, settings={"start": "runs/news/bundle"}).fit(texts)
