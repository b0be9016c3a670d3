"""Tiny encoders with random weights, made on the spot and saved as local folders in transformers' form."""

import json
from pathlib import Path

from tests.made import DRY, WET

WORDS = (*WET, *DRY, "hujan", "kota", "warga", "hari", "ini", "the", "flood", "water")


def tiny_text_encoder(folder: Path, *, seed: int = 0) -> Path:
    """Save a BERT of two layers, 32 wide, with a WordPiece vocabulary; return its folder."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    pieces = [*special, *WORDS, *"0123456789", *(f"##{digit}" for digit in "0123456789")]
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))  # noqa: S106 - no password.
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    named = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        BertModel(config).save_pretrained(folder)
    return folder


def tiny_image_encoder(folder: Path, *, seed: int = 0, shortest_edge: bool = False) -> Path:
    """Save a ResNet of two stages for images of 32 × 32; return its folder."""
    import torch
    from transformers import ResNetConfig, ResNetModel

    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        ResNetModel(config).save_pretrained(folder)
    square = {"height": 32, "width": 32}
    settings = {
        "image_processor_type": "ConvNextImageProcessor" if shortest_edge else "ViTImageProcessor",
        "size": {"shortest_edge": 32} if shortest_edge else square,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.25, 0.25, 0.25],
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
        "resample": 2,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def tiny_static_encoder(folder: Path, *, seed: int = 0) -> Path:
    """Save static token embeddings, eight wide, in model2vec form; return its folder."""
    import numpy as np
    from model2vec import StaticModel
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    pieces = ["[PAD]", "[UNK]", *WORDS]
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))  # noqa: S106 - no password.
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    vectors = np.random.default_rng(seed).normal(size=(len(pieces), 8)).astype(np.float32)
    StaticModel(vectors, tokenizer, normalize=True).save_pretrained(folder)
    return folder
