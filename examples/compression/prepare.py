"""Collect what the sweep works on: the files to compress and the codecs of this machine.

Writes into FOLDER: `stdlib.tar` (part of this interpreter's standard library, packed so that
the same Python gives the same bytes), `files.json` and `codecs.json`, which the sweep includes.
"""

import argparse
import io
import json
import shutil
import sysconfig
import tarfile
from pathlib import Path

CODECS = ['gzip', 'bzip2', 'xz', 'zstd']
PACKAGES = ['asyncio', 'concurrent', 'email', 'html', 'http', 'importlib', 'json', 'logging',
            'multiprocessing', 'unittest', 'urllib', 'wsgiref', 'xml']  # fmt: skip
MODULES = '[a-d]*.py'


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', type=Path)
    parser.add_argument('files', nargs='*', type=Path, help='more files to compress')
    args = parser.parse_args()
    for file in args.files:
        if not file.is_file() or not file.stat().st_size:
            parser.error(f'{file} is not a file, or it is empty')

    args.folder.mkdir(parents=True, exist_ok=True)
    tar = args.folder / 'stdlib.tar'
    write_if_changed(tar, packed_library())
    files = [str(file.resolve()) for file in [tar, *args.files]]
    codecs = [codec for codec in CODECS if shutil.which(codec)]
    write_if_changed(args.folder / 'files.json', json.dumps(files).encode())
    write_if_changed(args.folder / 'codecs.json', json.dumps(codecs).encode())


def packed_library():
    library = Path(sysconfig.get_path('stdlib'))
    files = list(library.glob(MODULES))
    for package in PACKAGES:
        files += (library / package).rglob('*.py')
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w', format=tarfile.USTAR_FORMAT) as tar:
        for file in sorted(files):
            member = tarfile.TarInfo(file.relative_to(library).as_posix())
            content = file.read_bytes()
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def write_if_changed(path, content):
    if not path.exists() or path.read_bytes() != content:
        path.write_bytes(content)


if __name__ == '__main__':
    main()
