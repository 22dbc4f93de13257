"""Speak: the words as they come, then what they mean. Ctrl-C ends it; a recording's path as argument replaces the microphone."""

import sys

import sottovoce as sv

assistant = sv.Assistant(sv.Recognizer.from_pretrained("en-small"), sv.IntentParser.from_pretrained("snips-en"))
for event in assistant.listen(sv.audio_chunks(sys.argv[1]) if sys.argv[1:] else sv.microphone()):
    if event.kind == "partial":
        print(f"\r\033[K{event.text}", end="", flush=True)
    elif event.kind == "intent":
        print(f"\r\033[K{event.text}\n   ", event.intent.name, {slot.name: slot.resolved for slot in event.slots})
