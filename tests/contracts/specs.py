"""The classifiers that must pass the contract: a small one of every kind, and how they nest."""

from pathlib import Path

from siaga.schema import (
    Block,
    Consistency,
    Convnet,
    Encoder,
    FeatureFusion,
    Fusion,
    JointFusion,
    Lexicon,
    Linear,
    ModelSpec,
    Plain,
    Recurrent,
    Residual,
    SelfTraining,
    Topics,
    Training,
    Words,
)

TEXT = Linear(min_posts=1)
IMAGE = Convnet(image_size=16, net=Residual(channels=(8, 16)), training=Training(epochs=3))
BLOCKS = (Block(channels=4, kernel=5, dropout=0.1), Block(channels=8))
BRIEF = Training(epochs=2)
TUNED = {"frozen": False, "head": "linear"}
LONGER = Training(epochs=15, batch_size=16, learning_rate=2e-2)


def specs(text_weights: Path, image_weights: Path, pair_weights: Path) -> dict[str, ModelSpec]:
    """Return a spec by name; the weights are folders of tiny encoders."""
    frozen = _pair(text_weights, image_weights)
    return {
        "linear": TEXT,
        "linear_words": Linear(characters=False, min_posts=1, balanced=True),
        "linear_sgd": Linear(min_posts=1, head="sgd"),
        "linear_bernoulli": Linear(min_posts=1, head="bernoulli"),
        "linear_complement": Linear(min_posts=1, head="complement"),
        "linear_fields": Linear(min_posts=1, fields=("text", "keyword", "hashtags"), fill={"keyword": "hashtags"}),
        "linear_ridge": Linear(min_posts=1, head="ridge", stop_words="english"),
        "linear_svm": Linear(min_posts=1, head="svm", balanced=True),
        "linear_gaussian": Linear(min_posts=1, head="gaussian", words=(1, 1), characters=False),
        "linear_tree": Linear(min_posts=1, head="tree", words=(1, 1), characters=False),
        "linear_forest": Linear(min_posts=1, head="forest"),
        "linear_xgboost": Linear(min_posts=1, head="xgboost", characters=False),
        "linear_catboost": Linear(min_posts=1, head="catboost", characters=False),
        "lexicon": Lexicon(words=str(Path(__file__).parent / "floods.txt"), languages=()),
        "topics": Topics(topics=2, words=Words(min_posts=1, stop_words=("id",)), iterations=20),
        "convnet": IMAGE,
        "convnet_plain": Convnet(image_size=16, grey=True, net=Plain(blocks=BLOCKS, dense=(8,)), training=BRIEF),
        "convnet_ordinal": Convnet(image_size=8, net=Plain(dense=(8,)), ordinal=True, training=BRIEF),
        "encoder_text": Encoder(modality="text", weights=str(text_weights)),
        "encoder_kernel": Encoder(modality="text", weights=str(text_weights), head="kernel"),
        "encoder_image": Encoder(modality="image", weights=str(image_weights), head="mlp", hidden=(8, 4)),
        "encoder_tuned": Encoder(
            modality="image",
            weights=str(image_weights),
            image_size=32,
            frozen=False,
            head="linear",
            training=Training(epochs=2, epochs_frozen=1, layer_decay=0.5),
        ),
        "encoder_text_tuned": Encoder(
            modality="text",
            weights=str(text_weights),
            frozen=False,
            head="linear",
            training=Training(epochs=8, batch_size=16, learning_rate=5e-3, epochs_frozen=1, layer_decay=0.9),
        ),
        "recurrent": Recurrent(min_posts=1, embedding=16, hidden=8, training=LONGER),
        "recurrent_gru": Recurrent(
            cell="gru", pooling="last", layers=1, bidirectional=False, hidden=16, max_tokens=8, training=LONGER
        ),
        "fusion_mean": Fusion(members={"text": TEXT, "image": IMAGE}, combiner="mean"),
        "fusion_logistic": Fusion(members={"text": TEXT, "image": IMAGE}, combiner="logistic", folds=2),
        "fusion_forest": Fusion(members={"text": TEXT, "image": IMAGE}, combiner="random_forest", folds=2),
        "fusion_catboost": Fusion(members={"text": TEXT, "image": IMAGE}, combiner="catboost", folds=2),
        "feature_logistic": Fusion(members=frozen, level="feature"),
        "feature_kernel": Fusion(members=frozen, level="feature", feature=FeatureFusion(head="kernel", reduced=16)),
        "feature_mlp": Fusion(
            members={"text": TEXT, "image": IMAGE},
            level="feature",
            feature=FeatureFusion(head="mlp", hidden=(8,), reduced=16, training=Training(epochs=10, batch_size=16)),
        ),
        "joint_concatenate": _joint(frozen, interaction="concatenate", hidden=()),
        "joint_product": _joint(frozen, interaction="product"),
        "joint_low_rank": _joint(frozen, interaction="low_rank", rank=2),
        "joint_gated": _joint(frozen, interaction="gated"),
        "joint_attention": _joint(frozen, interaction="cross_attention", heads=2),
        "joint_tuned": _joint(_pair(text_weights, image_weights, **TUNED), interaction="cross_attention"),
        "joint_clip": _joint(_pair(pair_weights, pair_weights, **TUNED)),
        "joint_from_scratch": _joint({"text": TEXT, "words": Recurrent(min_posts=1, hidden=8), "image": IMAGE}),
        "self_training": SelfTraining(model=TEXT, threshold=0.6),
        "co_training": SelfTraining(model=TEXT, agree_with=IMAGE, threshold=0.6, guard="off"),
        "consistency_convnet": Consistency(model=IMAGE, method="fixmatch", threshold=0.6, guard="off"),
        "consistency_recurrent": Consistency(
            model=Recurrent(min_posts=1, embedding=16, hidden=8, training=LONGER), guard="off"
        ),
        "consistency_head": Consistency(
            model=Encoder(modality="text", weights=str(text_weights), head="linear", training=LONGER)
        ),
        "nested": SelfTraining(
            model=Fusion(members={"text": SelfTraining(model=TEXT, threshold=0.6), "image": IMAGE}, folds=2),
            threshold=0.6,
        ),
    }


def _pair(text_weights: Path, image_weights: Path, **choices: object) -> dict[str, ModelSpec]:
    text, image = (
        {"modality": "text", "weights": str(text_weights)},
        {"modality": "image", "weights": str(image_weights)},
    )
    return {name: Encoder.model_validate({**own, **choices}) for name, own in (("text", text), ("image", image))}


def _joint(members: dict[str, ModelSpec], **choices: object) -> Fusion:
    training = Training(epochs=8, batch_size=16, learning_rate=5e-3, epochs_frozen=1, layer_decay=0.9)
    joint = JointFusion.model_validate({"width": 16, "hidden": (8,), "training": training, **choices})
    return Fusion(members=members, level="joint", joint=joint)


NAMES = tuple(specs(Path(), Path(), Path()))
KINDS = {
    kind.model_fields["kind"].default
    for kind in (Linear, Lexicon, Topics, Encoder, Recurrent, Convnet, Fusion, SelfTraining, Consistency)
}
