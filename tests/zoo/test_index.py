"""The zoo's own records: true, complete, and found by what is asked for."""
import pytest
from mmengine.config import Config

from projects.analysis.complexity import measure
from projects.common.conversion import converters
from projects.zoo import find, list_models, read_index, select
from projects.zoo.metafile import MEASURED, REPORTED

ENTRIES = read_index()
each_entry = pytest.mark.parametrize(
    'entry', ENTRIES, ids=[entry.name for entry in ENTRIES])
FEW = ('convmae_small-no-msd_8xb256-amp-coslr-800e_in1k',
       'convvit-small_convmae-pre_8xb128-amp-coslr-100e_in1k',
       'convmae-small_upernet_8xb2-amp-160k_ade20k-512x512')


def check_cost(entry):
    """Parameters exactly, multiply-accumulates to a million."""
    total = measure(Config.fromfile(entry.config)).total
    data = entry.model['Metadata']
    assert data['Parameters'] == total.parameters
    assert round(data['FLOPs'], -6) == round(total.macs, -6)


@pytest.mark.parametrize('name', FEW)
def test_costs_are_those_of_the_tool(name):
    check_cost(find(name))


@pytest.mark.slow
@each_entry
def test_all_costs_are_those_of_the_tool(entry):
    check_cost(entry)


def test_reported_and_measured_results_are_apart():
    for entry in ENTRIES:
        reported, measured = entry.results(False), entry.results(True)
        assert len(reported) + len(measured) == len(entry.model['Results']
                                                    or ())
        assert {result['Source'] for result in reported} <= set(REPORTED)
        assert {result['Source'] for result in measured} <= set(MEASURED)


def test_official_weights_can_be_fetched_and_converted():
    kinds = {kind for module in converters().values() for kind in module.RULES}
    origins = [entry.origin for entry in ENTRIES if entry.origin]
    assert origins
    for origin in origins:
        assert origin['Weights'].startswith('https://')
        assert origin.get('Format', 'mae') in kinds


def test_choosing():
    names = list_models()
    assert names == [entry.name for entry in ENTRIES]
    assert list_models('UPERNET') == []  # names are in lower case
    upernet = list_models('upernet')
    assert upernet and all('upernet' in name for name in upernet)
    assert list_models('*upernet*') == upernet
    assert set(upernet) <= set(list_models(task='segmentation'))
    assert list_models(method='convmae')
    weights = list_models(has_weights=True)
    assert 0 < len(weights) < len(names)
    with pytest.raises(ValueError, match="task is 'cooking'; choose from"):
        select(ENTRIES, task='cooking')
    with pytest.raises(ValueError, match="method is 'MEA'; choose from"):
        select(ENTRIES, method='MEA')
    with pytest.raises(ValueError, match='near are convmae_base_8xb256'):
        find('convmae_base_8xb256')
