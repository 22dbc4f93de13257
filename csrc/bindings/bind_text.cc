// The tokenizer and its encodings in Python; sdk/sottovoce/tokenizer.py is the public face.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bindings/registry.h"
#include "bindings/text_argument.h"
#include "pipeline/words.h"
#include "text/sentencepiece.h"
#include "text/wordpiece.h"

namespace py = pybind11;

namespace sottovoce::bindings {
namespace {

void CheckSize(std::string_view text) {
  if (text.size() <= static_cast<size_t>(WordPieceTokenizer::kMaxTextBytes)) return;
  ThrowIfError(InvalidArgument("text: wanted at most " + std::to_string(WordPieceTokenizer::kMaxTextBytes) +
                               " bytes of UTF-8, found " + std::to_string(text.size())));
}

std::string JoinPieces(const py::object& vocabulary) {
  if (PyUnicode_Check(vocabulary.ptr())) return vocabulary.cast<std::string>();
  std::string joined;
  int64_t line = 0;
  for (py::handle item : vocabulary) {
    const auto piece = item.cast<std::string>();
    ++line;
    if (piece.find('\n') != std::string::npos) {
      ThrowIfError(InvalidArgument("vocabulary: piece " + std::to_string(line) + " holds a newline"));
    }
    if (line > 1) joined += '\n';
    joined += piece;
  }
  return joined;
}

py::str ToStr(std::string_view text) {
  return py::str(text.data(), text.size());
}

py::list OffsetsToList(const Encoding& encoding) {
  py::list list(encoding.offsets.size());
  for (size_t i = 0; i < encoding.offsets.size(); ++i) {
    list[i] = py::make_tuple(encoding.offsets[i].start, encoding.offsets[i].end);
  }
  return list;
}

py::tuple ToTuple(const WordPieceTokenizer& tokenizer, const Encoding& encoding) {
  py::list pieces(encoding.ids.size());
  for (size_t i = 0; i < encoding.ids.size(); ++i) pieces[i] = ToStr(tokenizer.piece(encoding.ids[i]));
  return py::make_tuple(encoding.ids, pieces, OffsetsToList(encoding), encoding.word_ids, encoding.invalid_utf8);
}

py::list Vocabulary(const WordPieceTokenizer& tokenizer) {
  py::list pieces(tokenizer.vocabulary_size());
  for (int32_t id = 0; id < tokenizer.vocabulary_size(); ++id) pieces[id] = ToStr(tokenizer.piece(id));
  return pieces;
}

}  // namespace

SV_BIND(text) {
  module.def(
      "sentencepiece_encode",
      [](const std::string& kind, const std::vector<std::string>& pieces, std::vector<float> scores,
         const py::object& text) {
        const TextArgument argument(text);
        CheckSize(argument.view());
        const auto encoder = ValueOrThrow(SentencePieceEncoder::Create(
            ValueOrThrow(SentencePieceEncoder::ParseModel(kind)), pieces, std::move(scores)));
        return encoder.Encode(argument.view());
      },
      py::arg("kind"), py::arg("pieces"), py::arg("scores"), py::arg("text"),
      "The ids of a str or bytes. kind: bpe, unigram or char; pieces by id; scores of unigram pieces, else [].");
  module.def(
      "sentencepiece_decode",
      [](const std::vector<std::string>& pieces, const std::vector<int>& ids) {
        std::vector<DecodedToken> tokens;
        for (int id : ids) tokens.push_back({id, 0, 0.0f});
        return JoinWords(TokensToWords(tokens, pieces, 1.0));
      },
      py::arg("pieces"), py::arg("ids"), "The text of ids, as a recognizer gives it: single spaces between words.");
  py::class_<WordPieceTokenizer, std::shared_ptr<WordPieceTokenizer>>(module, "WordPieceTokenizer")
      .def(py::init([](const py::object& vocab, bool lowercase, bool strip_accents, bool chinese_chars,
                       std::string unknown_token, std::string cls_token, std::string sep_token, std::string pad_token,
                       int32_t max_word_characters) {
             const std::string joined = JoinPieces(vocab);
             const WordPieceOptions options{lowercase,
                                            strip_accents,
                                            chinese_chars,
                                            std::move(unknown_token),
                                            std::move(cls_token),
                                            std::move(sep_token),
                                            std::move(pad_token),
                                            max_word_characters};
             return std::make_shared<WordPieceTokenizer>(
                 ValueOrThrow(WordPieceTokenizer::CreateOwning(joined, options)));
           }),
           py::arg("vocab"), py::arg("lowercase") = true, py::arg("strip_accents") = true,
           py::arg("chinese_chars") = true, py::arg("unknown_token") = "[UNK]", py::arg("cls_token") = "[CLS]",
           py::arg("sep_token") = "[SEP]", py::arg("pad_token") = "[PAD]", py::arg("max_word_characters") = 100,
           "vocab: the pieces in order of their ids, or one str that joins them by newlines.")
      .def(
          "encode",
          [](const WordPieceTokenizer& self, const py::object& text) {
            const TextArgument argument(text);
            CheckSize(argument.view());
            Encoding encoding;
            {
              py::gil_scoped_release release;
              encoding = self.Encode(argument.view());
            }
            return ToTuple(self, encoding);
          },
          py::arg("text"), "(ids, pieces, offsets, word_ids, invalid_utf8) of a str or bytes; [CLS] and [SEP] added.")
      .def(
          "encode_words",
          [](const WordPieceTokenizer& self, const std::vector<py::object>& words) {
            std::vector<TextArgument> arguments;
            std::vector<std::string_view> views;
            arguments.reserve(words.size());
            for (const py::object& word : words) {
              arguments.emplace_back(word);
              CheckSize(arguments.back().view());
              views.push_back(arguments.back().view());
            }
            Encoding encoding;
            {
              py::gil_scoped_release release;
              encoding = self.EncodeWords(views);
            }
            return py::make_tuple(encoding.ids, encoding.word_ids);
          },
          py::arg("words"),
          "(ids, word index of each piece, -1 for [CLS] and [SEP]); the ids are those of the words joined by blanks.")
      .def_property_readonly("vocab", &Vocabulary, "The pieces, a list of str in order of their ids.")
      .def("__len__", &WordPieceTokenizer::vocabulary_size)
      .def(
          "find", [](const WordPieceTokenizer& self, const std::string& piece) { return self.FindPiece(piece); },
          py::arg("piece"), "The id of a piece, or -1.")
      .def_property_readonly("unknown_id", &WordPieceTokenizer::unknown_id)
      .def_property_readonly("cls_id", &WordPieceTokenizer::cls_id)
      .def_property_readonly("sep_id", &WordPieceTokenizer::sep_id)
      .def_property_readonly("pad_id", &WordPieceTokenizer::pad_id)
      .def_property_readonly("lowercase", [](const WordPieceTokenizer& self) { return self.options().lowercase; })
      .def_property_readonly("strip_accents",
                             [](const WordPieceTokenizer& self) { return self.options().strip_accents; })
      .def_property_readonly("chinese_chars",
                             [](const WordPieceTokenizer& self) { return self.options().chinese_chars; });
}

}  // namespace sottovoce::bindings
