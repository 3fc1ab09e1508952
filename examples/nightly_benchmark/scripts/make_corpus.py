"""Make the files that are packed and read, out of this Python's own standard library.

`sources` is a tar of its modules, `docs` the documentation in them as text, `records` the same as
JSON: a list with a record for each module, class and function. The same Python gives the same
bytes; files that are right already are left alone.
"""

import argparse
import ast
import io
import json
import sysconfig
import tarfile
from pathlib import Path

MODULES = '[a-f]*.py'
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--sources', type=Path, required=True, help='output: a tar')
    parser.add_argument('--docs', type=Path, required=True, help='output: text')
    parser.add_argument('--records', type=Path, required=True, help='output: JSON')
    args = parser.parse_args()

    library = Path(sysconfig.get_path('stdlib'))
    modules = {path.name: path.read_bytes() for path in sorted(library.glob(MODULES))}
    records = [record for name in modules for record in documentation(name, modules[name])]
    text = '\n\n'.join(f'{record["name"]}\n{record["doc"]}' for record in records)
    write_if_changed(args.sources, packed(modules))
    write_if_changed(args.docs, text.encode())
    write_if_changed(args.records, json.dumps(records).encode())


def documentation(module, source):
    """Yield a record for everything in a module that is documented."""
    for node in ast.walk(ast.parse(source)):
        doc = ast.get_docstring(node) if isinstance(node, DOCUMENTED) else None
        if doc:
            yield {
                'module': module,
                'name': getattr(node, 'name', module),
                'kind': type(node).__name__,
                'line': getattr(node, 'lineno', 1),
                'arguments': [arg.arg for arg in node.args.args] if hasattr(node, 'args') else [],
                'doc': doc,
            }


def packed(files):
    """Return a tar without times and owners."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w', format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def write_if_changed(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_bytes() != content:
        path.write_bytes(content)
    print(f'{path}: {len(content) / 1e6:.1f} MB')


if __name__ == '__main__':
    main()
