"""The endpoints about models: what is there, what is loaded, pulling and deleting."""

from __future__ import annotations

import math
import time
from functools import partial
from typing import Any

from aiohttp import web

from kwdagger.llm.testserver.backstage import Backstage
from kwdagger.llm.testserver.dialects.questions import json_object, model_name
from kwdagger.llm.testserver.embeddings import embed, embed_one
from kwdagger.llm.testserver.models import Model, rfc3339
from kwdagger.llm.testserver.pulling import pull
from kwdagger.llm.testserver.refusals import missing_model
from kwdagger.llm.testserver.residency import LoadedModel

_FOR_EVER_SECONDS = 100 * 365.25 * 86400


def routes(backstage: Backstage) -> list[web.RouteDef]:
    """Return the routes."""
    endpoints = ModelEndpoints(backstage)
    return [
        web.get('/', endpoints.greet),
        web.get('/api/version', endpoints.version),
        web.get('/api/tags', endpoints.tags),
        web.get('/api/ps', endpoints.ps),
        web.post('/api/show', endpoints.show),
        web.delete('/api/delete', endpoints.delete),
        web.post('/api/pull', partial(pull, backstage)),
        web.post('/api/embed', partial(embed, backstage)),
        web.post('/api/embeddings', partial(embed_one, backstage)),
        web.get('/v1/models', endpoints.openai_models),
    ]


class ModelEndpoints:
    """One method an endpoint."""

    def __init__(self, backstage: Backstage) -> None:
        self._backstage = backstage

    async def greet(self, request: web.Request) -> web.Response:
        """``GET /``, ``HEAD /``."""
        return web.Response(text='Ollama is running')

    async def version(self, request: web.Request) -> web.Response:
        """``GET /api/version``."""
        return web.json_response({'version': self._backstage.options.version})

    async def tags(self, request: web.Request) -> web.Response:
        """``GET /api/tags``: the models on disk."""
        return web.json_response({'models': [model.listing() for model in self._backstage.store]})

    async def ps(self, request: web.Request) -> web.Response:
        """``GET /api/ps``: the models in memory."""
        loaded = self._backstage.residency.loaded()
        return web.json_response({'models': [self._running(each) for each in loaded]})

    async def show(self, request: web.Request) -> web.Response:
        """``POST /api/show``: what one model is."""
        model = self._found(model_name(json_object(await request.read())))
        capabilities = ['completion']
        if self._backstage.thinks(model.name):
            capabilities.append('thinking')
        return web.json_response(
            {
                'modelfile': f'FROM {model.name}\n',
                'parameters': f'num_ctx {self._backstage.options.num_ctx}',
                'template': '{{ .Prompt }}',
                'details': model.details,
                'model_info': {
                    'general.architecture': 'llama',
                    'llama.context_length': self._backstage.options.num_ctx,
                },
                'capabilities': capabilities,
                'modified_at': model.modified_at,
            }
        )

    async def delete(self, request: web.Request) -> web.Response:
        """``DELETE /api/delete``: remove a model from disk, and from memory once it is idle."""
        model = self._found(model_name(json_object(await request.read())))
        self._backstage.store.remove(model.name)
        self._backstage.residency.expire(model.name)
        return web.Response()

    async def openai_models(self, request: web.Request) -> web.Response:
        """``GET /v1/models``: the models on disk, in OpenAI's shape."""
        listed = [
            {'id': model.name, 'object': 'model', 'created': 0, 'owned_by': 'library'}
            for model in self._backstage.store
        ]
        return web.json_response({'object': 'list', 'data': listed})

    def _running(self, loaded: LoadedModel) -> dict[str, Any]:
        model = self._backstage.store.find(loaded.name)
        model = model or self._backstage.store.describe(loaded.name)
        listing = model.listing()
        del listing['modified_at']
        expires_at = loaded.expires_at
        if expires_at == math.inf:
            expires_at = time.time() + _FOR_EVER_SECONDS
        return {
            **listing,
            'expires_at': rfc3339(expires_at),
            'size_vram': model.size,
            'context_length': loaded.num_ctx,
        }

    def _found(self, name: str) -> Model:
        model = self._backstage.store.find(name)
        if model is None:
            raise missing_model(name)
        return model
