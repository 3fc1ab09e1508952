"""``python -m kwdagger.llm VERB``: the same as ``kwdagger llm VERB``."""

from kwdagger.llm.command import main

if __name__ == '__main__':
    main()
