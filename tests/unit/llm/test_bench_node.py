"""The node `llm_bench` and the options of the verb that it runs."""

from kwdagger.llm.bench import BenchConfig
from kwdagger.llm.nodes import LlmBench, bench_pipeline


def test_every_option_is_a_parameter_of_the_node():
    # One prompt as text would make the prompt file, an input of the node, optional.
    without = {'prompt', 'dst_dpath'}
    own = {*LlmBench.in_paths, *LlmBench.out_paths, *LlmBench.algo_params, *LlmBench.perf_params}
    assert own == set(BenchConfig.__default__) - without


def test_what_changes_no_figure_changes_no_id():
    row = {'llm_bench.prompts': 'p.yaml', 'llm_bench.model': 'm'}

    def process_id(**params):
        pipeline = bench_pipeline()
        pipeline.configure(row | {f'llm_bench.{name}': value for name, value in params.items()})
        return pipeline.node_dict['llm_bench'].process_id

    assert process_id(notes='on this host', total_timeout_s=60) == process_id()
    assert len({process_id(), process_id(url='gpu1:11434'), process_id(concurrency=4)}) == 3
