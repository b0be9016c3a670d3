"""The classifiers that must pass the contract: a small one of every kind, and how they nest."""

from pathlib import Path

from siaga.schema import Block, Convnet, Encoder, Fusion, Linear, ModelSpec, Plain, Residual, SelfTraining, Training

TEXT = Linear(min_posts=1)
IMAGE = Convnet(image_size=16, net=Residual(channels=(8, 16)), training=Training(epochs=3))
BLOCKS = (Block(channels=4, kernel=5, dropout=0.1), Block(channels=8))
BRIEF = Training(epochs=2)


def specs(text_weights: Path, image_weights: Path) -> dict[str, ModelSpec]:
    """Return a spec by name; the weights are folders of tiny encoders."""
    return {
        "linear": TEXT,
        "linear_words": Linear(characters=False, min_posts=1, balanced=True),
        "linear_sgd": Linear(min_posts=1, head="sgd"),
        "linear_bernoulli": Linear(min_posts=1, head="bernoulli"),
        "linear_complement": Linear(min_posts=1, head="complement"),
        "convnet": IMAGE,
        "convnet_plain": Convnet(image_size=16, grey=True, net=Plain(blocks=BLOCKS, dense=(8,)), training=BRIEF),
        "convnet_ordinal": Convnet(image_size=8, net=Plain(dense=(8,)), ordinal=True, training=BRIEF),
        "encoder_text": Encoder(modality="text", weights=str(text_weights)),
        "encoder_image": Encoder(modality="image", weights=str(image_weights), head="mlp", hidden=(8, 4)),
        "encoder_tuned": Encoder(
            modality="image",
            weights=str(image_weights),
            image_size=32,
            frozen=False,
            head="linear",
            training=Training(epochs=2, epochs_frozen=1, layer_decay=0.5),
        ),
        "fusion_mean": Fusion(members={"text": TEXT, "image": IMAGE}, combiner="mean"),
        "fusion_logistic": Fusion(members={"text": TEXT, "image": IMAGE}, combiner="logistic", folds=2),
        "fusion_forest": Fusion(members={"text": TEXT, "image": IMAGE}, combiner="random_forest", folds=2),
        "fusion_catboost": Fusion(members={"text": TEXT, "image": IMAGE}, combiner="catboost", folds=2),
        "self_training": SelfTraining(model=TEXT, threshold=0.6),
        "co_training": SelfTraining(model=TEXT, agree_with=IMAGE, threshold=0.6, guard="off"),
        "nested": SelfTraining(
            model=Fusion(members={"text": SelfTraining(model=TEXT, threshold=0.6), "image": IMAGE}, folds=2),
            threshold=0.6,
        ),
    }


NAMES = tuple(specs(Path(), Path()))
KINDS = {kind.model_fields["kind"].default for kind in (Linear, Encoder, Convnet, Fusion, SelfTraining)}
