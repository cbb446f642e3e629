"""Metafiles are checked, and README tables are made from them."""
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from projects.zoo import fill_tables, read_metafile

ROOT = Path(__file__).parents[2]
README = """before
<!-- table: pretrain -->
old
<!-- end of table -->
after
"""


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    """A repository with one model; returns its metafile."""
    folder = tmp_path / 'configs/toy'
    (folder / 'pretrain').mkdir(parents=True)
    (folder / 'pretrain/toy_8xb2.py').write_text('')
    (folder / 'README.md').write_text(README)
    content = dict(
        Collections=[
            dict(
                Name='Toy',
                Metadata={'Architecture': ['Transformer']},
                Paper=dict(Title='Toys', URL='https://example.org'),
                README='configs/toy/README.md',
                Code=dict(URL='projects/toy'))
        ],
        Models=[{
            'Name':
            'toy_8xb2',
            'In Collection':
            'Toy',
            'Config':
            'configs/toy/pretrain/toy_8xb2.py',
            'Metadata': {
                'Epochs': 5,
                'Batch Size': 16,
                'Parameters': 1_250_000,
                'Training Data': 'Toys'
            },
            'Results': [{
                'Task': 'Play',
                'Dataset': 'Toys',
                'Metrics': {
                    'Top 1': 12.5
                },
                'Source': 'reported by the paper'
            }]
        }])
    path = folder / 'metafile.yml'
    path.write_text(yaml.safe_dump(content))
    return path


def change(path: Path, *keys, value=None, remove: bool = False) -> None:
    """Set or remove one field of a metafile."""
    content = node = yaml.safe_load(path.read_text())
    for key in keys[:-1]:
        node = node[key]
    if remove:
        del node[keys[-1]]
    else:
        node[keys[-1]] = value
    path.write_text(yaml.safe_dump(content))


MODEL = ('Models', 0)
ORIGIN = dict(
    Weights='https://example.org/x.pth',
    Code='https://example.org',
    License='MIT',
    Content='encoder')


@pytest.mark.parametrize('keys, options, message', [
    ((*MODEL, 'Metadata', 'Parameters'), dict(remove=True),
     'toy_8xb2: Metadata: Parameters is missing'),
    ((*MODEL, 'Metadata', 'Batch Size'), dict(value='16'),
     "Batch Size is '16'"),
    ((*MODEL, 'Results', 0, 'Source'), dict(value='a friend'),
     "Source is 'a friend'; choose from"),
    ((*MODEL, 'Config'), dict(value='configs/toy/pretrain/gone.py'),
     'configs/toy/pretrain/gone.py does not exist'),
    ((*MODEL, 'Name'), dict(value='other'), 'named after its config file'),
    ((*MODEL, 'In Collection'), dict(value='Other'), "expected 'Toy'"),
    ((*MODEL, 'Metadata', 'FLOPs'), dict(value=1.5),
     'toy_8xb2: Metadata: FLOPs is 1.5'),
    ((*MODEL, 'SHA256'), dict(value='0' * 64), 'SHA256 without Weights'),
    ((*MODEL, 'Converted From'), dict(value='https://example.org/x.pth'),
     "Converted From is 'https://example.org/x.pth', expected a mapping"),
    ((*MODEL, 'Converted From'), dict(value=ORIGIN),
     'Converted From: Target is missing; say what was reconstructed'),
    ((*MODEL, 'Converted From'),
     dict(value=dict(ORIGIN, Target='raw pixels', SHA256='12AB')),
     "SHA256 is '12AB', expected 64 hexadecimal digits"),
    ((*MODEL, 'Converted From'), dict(value=dict(ORIGIN, Content='weights')),
     "Content is 'weights'; choose from"),
    ((*MODEL, 'Downstream'), dict(value=['gone']), 'Downstream names gone'),
    ((*MODEL, 'Converted From'), dict(value=dict(Weights='x', Code='y')),
     'Converted From: License is missing'),
    (('Collections', ), dict(value=[]), 'Collections has 0 entries'),
    (('Models', ), dict(remove=True), 'file: Models is missing'),
])
def test_mistakes_are_named(zoo: Path, keys: tuple, options: dict,
                            message: str) -> None:
    read_metafile(zoo)
    change(zoo, *keys, **options)
    with pytest.raises(ValueError, match=message) as error:
        read_metafile(zoo)
    assert str(zoo) in str(error.value)


def test_a_file_that_is_not_yaml_is_named(zoo: Path) -> None:
    zoo.write_text('Models: [')
    with pytest.raises(ValueError, match='metafile.yml is not YAML'):
        read_metafile(zoo)


def test_a_table_has_a_row_for_each_model_and_source(zoo: Path) -> None:
    content = read_metafile(zoo)
    content['Models'][0]['Results'].append({
        'Task':
        'Play',
        'Dataset':
        'Toys',
        'Metrics': {
            'Top 5': 50.0
        },
        'Source':
        'measured here, trained here'
    })
    table = fill_tables(README, content)
    assert table == """before
<!-- table: pretrain -->
| Config | Length | Params (M) | Top 1 | Top 5 | Numbers |
| :-- | --: | --: | --: | --: | :-- |
| [toy_8xb2](./pretrain/toy_8xb2.py) | 5 epochs | 1.2 | 12.5 |  | reported by the paper |
| [toy_8xb2](./pretrain/toy_8xb2.py) | 5 epochs | 1.2 |  | 50.0 | measured here, trained here |
<!-- end of table -->
after
"""  # noqa: E501
    assert fill_tables(table, content) == table


def test_results_name_tables_and_settings(zoo: Path) -> None:
    """A model is in several tables, but in its folder's only if it has to."""
    result = read_metafile(zoo)['Models'][0]['Results'][0]
    results = [
        dict(result, Table='table-1', Setting='half'),
        dict(result, Table='table-1', Setting='half', Metrics={'Top 5': 7}),
        dict(result, Table='table-2')
    ]
    change(zoo, *MODEL, 'Results', value=results)
    tables = ('<!-- table: table-2 -->\n<!-- end of table -->\n'
              '<!-- table: table-1 -->\n<!-- end of table -->\n')
    link = '[toy_8xb2](./pretrain/toy_8xb2.py)'
    assert fill_tables(tables, read_metafile(zoo)) == f"""\
<!-- table: table-2 -->
| Config | Length | Params (M) | Top 1 | Numbers |
| :-- | --: | --: | --: | :-- |
| {link} | 5 epochs | 1.2 | 12.5 | reported by the paper |
<!-- end of table -->
<!-- table: table-1 -->
| Config | Setting | Length | Params (M) | Top 1 | Top 5 | Numbers |
| :-- | :-- | --: | --: | --: | --: | :-- |
| {link} | half | 5 epochs | 1.2 | 12.5 | 7 | reported by the paper |
<!-- end of table -->
"""
    change(zoo, *MODEL, 'Results', 0, 'Table', value=1)
    with pytest.raises(ValueError, match='Results: Table is 1'):
        read_metafile(zoo)


def test_models_without_a_table_are_told(zoo: Path) -> None:
    with pytest.raises(ValueError, match="models for .'pretrain'."):
        fill_tables('no markers', read_metafile(zoo))


def test_the_tool_writes_tables_and_sees_drift(zoo: Path) -> None:

    def run(*args: str) -> subprocess.CompletedProcess:
        return subprocess.run([
            sys.executable,
            str(ROOT / 'tools/make_tables.py'), '--root',
            str(zoo.parents[2]), *args
        ],
                              capture_output=True,
                              text=True,
                              cwd=zoo.parent)

    readme = zoo.with_name('README.md')
    assert run('--check').returncode == 1
    assert readme.read_text() == README
    assert run().returncode == 0
    assert '12.5' in readme.read_text()
    assert run('--check').returncode == 0
    change(zoo, *MODEL, 'Results', 0, 'Metrics', 'Top 1', value=13.5)
    assert 'differs from metafile.yml' in run('--check').stderr
    change(zoo, *MODEL, 'Results', 0, 'Source', value='a friend')
    failed = run()
    assert failed.returncode == 1 and 'a friend' in failed.stderr
    assert [path.name for path in sorted(zoo.parent.iterdir())
            ] == ['README.md', 'metafile.yml', 'pretrain']
