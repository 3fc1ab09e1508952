"""The test server: the Ollama and OpenAI protocols, scripted timing, faults on request."""
