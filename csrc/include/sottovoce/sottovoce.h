/* Sottovoce: on-device speech and language understanding. The public C API.
 *
 * Every fallible function returns sv_status and leaves its output untouched on failure; sv_last_error() then says what
 * was wrong, on the same thread. Nothing is thrown, printed or aborted. Text is UTF-8, not necessarily terminated on
 * the way in (a length goes with it) and always terminated on the way out. Models are immutable and may be shared
 * between threads; a stream or a result belongs to one thread at a time. Every handle is freed by its own function,
 * which takes NULL too. Option structs begin with struct_size = sizeof(the struct); NULL options mean the defaults.
 */
#ifndef SOTTOVOCE_SOTTOVOCE_H_
#define SOTTOVOCE_SOTTOVOCE_H_

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define SV_API __declspec(dllexport)
#else
#define SV_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sv_status {
  SV_OK = 0,
  SV_INVALID_ARGUMENT = 1, /* the caller's value is wrong */
  SV_NOT_FOUND = 2,        /* no such file */
  SV_DATA_LOSS = 3,        /* an artifact or audio file is corrupt or truncated */
  SV_UNSUPPORTED = 4,      /* of a kind, version or instruction set that this build or CPU lacks */
  SV_IO_ERROR = 5,
  SV_OUT_OF_MEMORY = 6,
  SV_INTERNAL = 7
} sv_status;

SV_API const char* sv_version(void);
/* The instruction-set tier in use: "scalar", "avx2", "avx512vnni", "neon" or "neondot". */
SV_API const char* sv_active_isa(void);
SV_API const char* sv_status_name(sv_status status);
/* The detail of this thread's last failure; valid until its next call that fails. */
SV_API const char* sv_last_error(void);

/* ---- Text to intent and slots ---- */

typedef struct sv_intent_parser sv_intent_parser;
typedef struct sv_parse_result sv_parse_result;

typedef struct sv_parse_options {
  size_t struct_size;
  int32_t top_k; /* how many intents to return, at least 1; default 1 */
} sv_parse_options;

typedef struct sv_intent {
  const char* name;
  float score; /* calibrated probability */
} sv_intent;

typedef struct sv_slot {
  const char* name;
  const char* value; /* the text as said */
  int32_t start;     /* characters (code points) into the text */
  int32_t end;
  float score;
} sv_slot;

/* Which part of an adaptive (DynaBERT) model to use, shares in (0, 1]; 1 and 1, or NULL for the struct, is the whole.
 */
typedef struct sv_intent_parser_options {
  size_t struct_size; /* sizeof(sv_intent_parser_options) */
  float width;        /* of the heads and neurons */
  float depth;        /* of the layers */
} sv_intent_parser_options;

SV_API sv_status sv_intent_parser_open(const char* path, sv_intent_parser** parser);
SV_API sv_status sv_intent_parser_open_part(const char* path, const sv_intent_parser_options* options,
                                            sv_intent_parser** parser);
/* The caller keeps data alive and unchanged as long as the parser lives. */
SV_API sv_status sv_intent_parser_open_memory(const void* data, size_t bytes, sv_intent_parser** parser);
SV_API void sv_intent_parser_free(sv_intent_parser* parser);
SV_API sv_status sv_intent_parser_parse(const sv_intent_parser* parser, const char* text, size_t bytes,
                                        const sv_parse_options* options, sv_parse_result** result);

SV_API size_t sv_parse_result_num_intents(const sv_parse_result* result); /* best first; at least 1 */
SV_API sv_status sv_parse_result_intent(const sv_parse_result* result, size_t index, sv_intent* intent);
SV_API size_t sv_parse_result_num_slots(const sv_parse_result* result);
SV_API sv_status sv_parse_result_slot(const sv_parse_result* result, size_t index, sv_slot* slot);
SV_API int32_t sv_parse_result_out_of_scope(const sv_parse_result* result); /* 1 or 0 */
SV_API size_t sv_parse_result_num_warnings(const sv_parse_result* result);
SV_API const char* sv_parse_result_warning(const sv_parse_result* result, size_t index); /* NULL past the end */
SV_API void sv_parse_result_free(sv_parse_result* result);

/* ---- Speech to text ---- */

typedef struct sv_recognizer sv_recognizer;
typedef struct sv_stream sv_stream;
typedef struct sv_recognition_result sv_recognition_result;

typedef struct sv_word {
  const char* text;
  float start_seconds;
  float end_seconds;
  float confidence; /* in [0, 1] */
} sv_word;

typedef struct sv_alternative {
  const char* text;
  double log_prob; /* natural logarithm */
} sv_alternative;

/* A phrase that is likelier than the model thinks, in characters of its vocabulary: others, such as digits for the
 * bundled models, are SV_INVALID_ARGUMENT. Case does not matter to a vocabulary of one case. */
typedef struct sv_biasing_phrase {
  const char* text;
  float boost; /* added to the log probability of each of its symbols, in [-100, 100]; 1.5 is a good start */
} sv_biasing_phrase;

/* Zero means the default of every field. */
typedef struct sv_stream_options {
  size_t struct_size;
  int32_t beam;         /* hypotheses that the search keeps, 1 to 64; 1 is greedy search, the default the artifact's */
  int32_t alternatives; /* hypotheses of a final event, at most beam; default 1 */
  const sv_biasing_phrase* biasing;  /* (num_biasing) */
  size_t num_biasing;                /* default none */
  float endpoint_silence_seconds;    /* without a symbol, end an utterance; default: no such rule */
  float endpoint_min_speech_seconds; /* from the first symbol to the last, below which silence ends nothing */
  float endpoint_max_seconds;        /* from the first symbol, end an utterance anyhow; default: no such rule */
} sv_stream_options;

typedef enum sv_event_kind {
  SV_EVENT_NONE = 0,     /* nothing more has happened */
  SV_EVENT_PARTIAL = 1,  /* the text of the utterance so far: text, words */
  SV_EVENT_FINAL = 2,    /* that of the whole utterance: also confidence, start and end, alternatives */
  SV_EVENT_ENDPOINT = 3, /* the utterance is over: seconds, reason */
} sv_event_kind;

typedef enum sv_endpoint_reason {
  SV_ENDPOINT_NONE = 0,
  SV_ENDPOINT_SILENCE = 1,
  SV_ENDPOINT_MAX_LENGTH = 2
} sv_endpoint_reason;

/* Times are seconds from the start of the stream. */
typedef struct sv_event {
  size_t struct_size; /* set by the caller */
  sv_event_kind kind;
  sv_endpoint_reason reason;
  const char* text;
  const sv_word* words; /* (num_words) */
  size_t num_words;
  const sv_alternative* alternatives; /* (num_alternatives), best first */
  size_t num_alternatives;
  float confidence; /* geometric mean of the words', in [0, 1] */
  float start_seconds;
  float end_seconds;
  float seconds;
} sv_event;

/* The next samples of one of several streams. */
typedef struct sv_waveform {
  sv_stream* stream;
  const float* samples; /* (num_samples), as for sv_stream_accept_waveform */
  size_t num_samples;
  int32_t sample_rate;
  int32_t finish; /* 1: the stream ends with these */
} sv_waveform;

SV_API sv_status sv_recognizer_open(const char* path, sv_recognizer** recognizer);
/* The caller keeps data alive and unchanged as long as the recognizer or one of its streams lives. */
SV_API sv_status sv_recognizer_open_memory(const void* data, size_t bytes, sv_recognizer** recognizer);
SV_API void sv_recognizer_free(sv_recognizer* recognizer);

/* Utterances one after another; one only, without endpoint rules. A stream keeps its model alive. */
SV_API sv_status sv_recognizer_stream(const sv_recognizer* recognizer, const sv_stream_options* options,
                                      sv_stream** stream);
/* The next samples of several streams of this recognizer, each once: quicker than one by one, with the same results,
 * bit for bit. On failure all streams are as before. */
SV_API sv_status sv_recognizer_accept_waveforms(const sv_recognizer* recognizer, const sv_waveform* waveforms,
                                                size_t num_waveforms);
/* samples: (num_samples) in [-1, 1]; sample_rate in Hz, the same in all calls of a stream. */
SV_API sv_status sv_stream_accept_waveform(sv_stream* stream, const float* samples, size_t num_samples,
                                           int32_t sample_rate);
/* Other phrases from the next utterance on; from now, when no symbol of this one has come. */
SV_API sv_status sv_stream_set_biasing(sv_stream* stream, const sv_biasing_phrase* phrases, size_t num_phrases);
/* The oldest event that was not polled yet, or SV_EVENT_NONE. Pointers are valid until the next call on this stream. */
SV_API sv_status sv_stream_poll(sv_stream* stream, sv_event* event);
/* The text so far; valid until the next call on this stream. */
SV_API const char* sv_stream_partial(sv_stream* stream);
/* The result of the whole stream; it takes no more audio afterwards. */
SV_API sv_status sv_stream_finish(sv_stream* stream, sv_recognition_result** result);
SV_API void sv_stream_free(sv_stream* stream);

SV_API const char* sv_recognition_result_text(const sv_recognition_result* result);
SV_API size_t sv_recognition_result_num_words(const sv_recognition_result* result);
SV_API sv_status sv_recognition_result_word(const sv_recognition_result* result, size_t index, sv_word* word);
SV_API void sv_recognition_result_free(sv_recognition_result* result);

/* ---- Voice activity, without a recognizer ---- */

typedef struct sv_voice_activity sv_voice_activity;

/* Zero means the default of every field. */
typedef struct sv_voice_activity_options {
  size_t struct_size;
  float min_silence_seconds; /* shorter pauses are inside a segment; default 0.3 */
  float min_speech_seconds;  /* shorter segments are none; default 0.1 */
} sv_voice_activity_options;

/* Speech, in seconds from the start of the stream. */
typedef struct sv_segment {
  float start_seconds;
  float end_seconds;
} sv_segment;

SV_API sv_status sv_voice_activity_create(const sv_voice_activity_options* options, sv_voice_activity** detector);
/* As sv_stream_accept_waveform. */
SV_API sv_status sv_voice_activity_accept_waveform(sv_voice_activity* detector, const float* samples,
                                                   size_t num_samples, int32_t sample_rate);
/* No more audio: a segment that is open ends with it. */
SV_API sv_status sv_voice_activity_finish(sv_voice_activity* detector);
SV_API int32_t sv_voice_activity_speaking(const sv_voice_activity* detector); /* 1 while a segment is open */
/* The oldest segment that ended and was not polled yet: 1, or 0 when there is none. */
SV_API int32_t sv_voice_activity_poll(sv_voice_activity* detector, sv_segment* segment);
SV_API void sv_voice_activity_free(sv_voice_activity* detector);

#ifdef __cplusplus
}
#endif

#endif /* SOTTOVOCE_SOTTOVOCE_H_ */
