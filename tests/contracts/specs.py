"""The classifiers that must pass the contract: a small one of every kind, and how they nest."""

from pathlib import Path

from siaga.schema import Convnet, Encoder, Fusion, Linear, ModelSpec, SelfTraining

TEXT = Linear(min_posts=1)
IMAGE = Convnet(image_size=16, channels=(8, 16), epochs=3)


def specs(text_weights: Path, image_weights: Path) -> dict[str, ModelSpec]:
    """Return a spec by name; the weights are folders of tiny encoders."""
    return {
        "linear": TEXT,
        "linear_words": Linear(characters=False, min_posts=1, balanced=True),
        "linear_sgd": Linear(min_posts=1, head="sgd"),
        "linear_bernoulli": Linear(min_posts=1, head="bernoulli"),
        "linear_complement": Linear(min_posts=1, head="complement"),
        "convnet": IMAGE,
        "encoder_text": Encoder(modality="text", weights=str(text_weights)),
        "encoder_image": Encoder(modality="image", weights=str(image_weights), head="mlp", hidden=8),
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
