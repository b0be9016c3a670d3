"""Tiny encoders with random weights, made on the spot and saved as local folders in transformers' form."""

import json
from pathlib import Path
from typing import Any

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


def tiny_image_encoder(
    folder: Path, *, seed: int = 0, shortest_edge: bool = False, architecture: str = "resnet", pooler: bool = True
) -> Path:
    """Save an encoder for images of 32 × 32, with a trained pooler or (of a vit) none; return its folder."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        _image_model(architecture, pooler=pooler).save_pretrained(folder)
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


def _image_model(architecture: str, *, pooler: bool) -> Any:  # Any: transformers has no types.
    import transformers

    match architecture:
        case "resnet":
            config = transformers.ResNetConfig(
                embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"
            )
            return transformers.ResNetModel(config)
        case "vit":
            small = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
            config = transformers.ViTConfig(**small, image_size=32, patch_size=8)
            return transformers.ViTModel(config, add_pooling_layer=pooler)
        case "convnext":
            config = transformers.ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 3], num_stages=2, image_size=32)
            return transformers.ConvNextModel(config)
        case "efficientnet":
            narrow = {"width_coefficient": 0.1, "depth_coefficient": 0.1, "hidden_dim": 128}
            # Of wider weights than its own at first, with which nothing would arrive at its upper layers.
            config = transformers.EfficientNetConfig(**narrow, image_size=32, initializer_range=0.3)
            return transformers.EfficientNetModel(config)
    raise ValueError(architecture)


def tiny_pair_encoder(folder: Path, *, seed: int = 0, siglip: bool = False) -> Path:
    """Save a CLIP (or a SigLIP) of two layers a tower, for images of 32 × 32 and texts of 16 tokens; return its folder.

    A CLIP text ends with a token that it is pooled at; a SigLIP text is filled up to 16 tokens, the last of which is.
    """
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = ["[PAD]", "[UNK]", *WORDS, *"0123456789", *(f"##{digit}" for digit in "0123456789"), "[START]", "[END]"]
    start, end = len(pieces) - 2, len(pieces) - 1
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))  # noqa: S106 - no password.
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A [END]" if siglip else "[START] $A [END]", special_tokens=[("[START]", start), ("[END]", end)]
    )
    padding = "[PAD]" if siglip else "[END]"  # As CLIP has it.
    named = {"pad_token": padding, "unk_token": "[UNK]", "bos_token": "[START]", "eos_token": "[END]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        _pair(len(pieces), end, siglip=siglip).save_pretrained(folder)
    square = {"height": 32, "width": 32}
    settings = {
        "image_processor_type": "SiglipImageProcessor" if siglip else "CLIPImageProcessor",
        "size": square if siglip else {"shortest_edge": 32},
        **({} if siglip else {"crop_size": square, "do_center_crop": True}),
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.25, 0.25, 0.25],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def _pair(tokens: int, end: int, *, siglip: bool) -> Any:  # Any: transformers has no types.
    import transformers

    layers = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**layers, "vocab_size": tokens, "max_position_embeddings": 16, "pad_token_id": 0}
    text |= {"bos_token_id": end - 1, "eos_token_id": end}
    image = {**layers, "image_size": 32, "patch_size": 8}
    if siglip:
        config = transformers.SiglipConfig(text_config={**text, "projection_size": 32}, vision_config=image)
        return transformers.SiglipModel(config)
    config = transformers.CLIPConfig(text_config=text, vision_config=image, projection_dim=24)
    return transformers.CLIPModel(config)


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
