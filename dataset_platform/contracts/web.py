"""Contracts of the web lane."""

from dataset_platform.contracts.base import (
    Binary,
    Bool,
    Contract,
    Date,
    Float64,
    Int64,
    String,
    Timestamp,
    column,
)

DOC_ID = "128-bit hash (32 hex digits) of source and WARC-Record-ID, or of file and offset where there is none"
OFFSET_KINDS = ("member", "uncompressed")
# the model; Resiliparse's rules; the model with trafilatura's vote; the model where trafilatura ran out of time or
# failed; the text of a page that no tree may be built of; the same where the tree took too long or its parser died
EXTRACTION_PATHS = (
    "learned",
    "fast",
    "trafilatura",
    "learned_timeout",
    "learned_failed",
    "unparsed",
    "unparsed_timeout",
    "unparsed_failed",
)


class RawWarcs(Contract, table="web/raw_warcs", key=("path",)):
    """The day's WARC files as they lie in raw storage."""

    path: String = column("path or URL of the file, relative to the raw root where it lies below it")
    size_bytes: Int64 = column("size of the file in bytes", ge=0)
    etag: String = column("the store's ETag; for local files a hash of size and modification time")
    source: String = column("name of the data source, used in mixtures")
    ingestion_date: Date = column("UTC day on which the file landed")


class Documents(Contract, table="web/documents"):
    """One row per HTML page: main text, language, and where its bytes lie."""

    doc_id: String = column(DOC_ID, str_length=32)
    source: String = column("name of the data source, used in mixtures")
    url: String = column("target URI without wget's angle brackets")
    warc_date: Timestamp = column("time of the capture (WARC-Date), UTC", nullable=True)
    content_type: String = column("media type of the HTTP response, lower case, without parameters", nullable=True)
    charset: String = column("character set the body was decoded with")
    charset_source: String = column("what named the charset", isin=("http", "bom", "meta", "detected", "fallback"))
    html_bytes: Int64 = column("size of the decoded HTML body in bytes", ge=1)
    extraction: String = column("how the main content was found", isin=EXTRACTION_PATHS)
    extraction_confidence: Float64 = column(
        "word F1 that the model expects of its text, 0 to 1; null where it was not asked", nullable=True, ge=0.0, le=1.0
    )
    text: String = column("main content as plain text", str_length={"min_value": 1})
    text_length: Int64 = column("length of the text in characters", ge=1)
    language: String = column("ISO 639 code by lid.176 on the first 2,000 characters")
    language_score: Float64 = column("probability of the language, 0 to 1", ge=0.0, le=1.0)
    file: String = column("WARC file, as in web/raw_warcs")
    offset: Int64 = column("first byte of the record in the file", ge=0)
    length: Int64 = column("bytes of the record in the file", ge=1)
    offset_kind: String = column(
        "member: bytes of the file; uncompressed: of its decompressed stream", isin=OFFSET_KINDS
    )
    ingestion_date: Date = column("UTC day on which the file landed")


class FilteredDocuments(Contract, table="web/filtered_documents"):
    """Documents that pass language scope, Gopher, C4 and FineWeb rules, with every measure the rules used."""

    doc_id: String = column(DOC_ID, str_length=32)
    source: String = column("name of the data source, used in mixtures")
    url: String = column("target URI")
    warc_date: Timestamp = column("time of the capture (WARC-Date), UTC", nullable=True)
    text: String = column("text after C4's line rules", str_length={"min_value": 1})
    text_length: Int64 = column("length of the text in characters", ge=1)
    language: String = column("ISO 639 code")
    language_score: Float64 = column("probability of the language, 0 to 1", ge=0.0, le=1.0)
    word_count: Int64 = column("words that are not pure punctuation", ge=0)
    mean_word_length: Float64 = column("mean length of those words in characters", ge=0.0)
    hash_word_ratio: Float64 = column("'#' per token", ge=0.0)
    ellipsis_word_ratio: Float64 = column("ellipses per token", ge=0.0)
    bullet_line_ratio: Float64 = column("share of lines that begin with a bullet", ge=0.0, le=1.0)
    ellipsis_line_ratio: Float64 = column("share of lines that end in an ellipsis", ge=0.0, le=1.0)
    alpha_word_ratio: Float64 = column("share of tokens with a letter", ge=0.0, le=1.0)
    stop_word_count: Int64 = column("distinct stop words found: of the language, else Gopher's English ones", ge=0)
    dup_para_frac: Float64 = column("share of paragraphs that are repeats", ge=0.0, le=1.0)
    dup_para_char_frac: Float64 = column("share of characters in repeated paragraphs", ge=0.0, le=1.0)
    dup_line_frac: Float64 = column("share of lines that are repeats", ge=0.0, le=1.0)
    dup_line_char_frac: Float64 = column("share of characters in repeated lines", ge=0.0, le=1.0)
    top_2_gram: Float64 = column("share of characters in the most frequent word 2-gram", ge=0.0)
    top_3_gram: Float64 = column("share of characters in the most frequent word 3-gram", ge=0.0)
    top_4_gram: Float64 = column("share of characters in the most frequent word 4-gram", ge=0.0)
    duplicated_5_n_grams: Float64 = column("share of characters in repeated word 5-grams", ge=0.0)
    duplicated_6_n_grams: Float64 = column("share of characters in repeated word 6-grams", ge=0.0)
    duplicated_7_n_grams: Float64 = column("share of characters in repeated word 7-grams", ge=0.0)
    duplicated_8_n_grams: Float64 = column("share of characters in repeated word 8-grams", ge=0.0)
    duplicated_9_n_grams: Float64 = column("share of characters in repeated word 9-grams", ge=0.0)
    duplicated_10_n_grams: Float64 = column("share of characters in repeated word 10-grams", ge=0.0)
    sentence_count: Int64 = column("sentences in the lines that the line rules keep", ge=0)
    lines_removed: Int64 = column("lines that the line rules took out", ge=0)
    line_punct_ratio: Float64 = column("share of lines that end in terminal punctuation", ge=0.0, le=1.0)
    short_line_ratio: Float64 = column("share of lines of 30 characters or fewer", ge=0.0, le=1.0)
    char_dup_ratio: Float64 = column("share of characters in duplicate lines", ge=0.0, le=1.0)
    newline_word_ratio: Float64 = column("line breaks per token", ge=0.0)
    text_html_ratio: Float64 = column("bytes of the extracted text per byte of HTML", nullable=True, ge=0.0)
    code_char_ratio: Float64 = column("share of characters in lines that look like code", ge=0.0, le=1.0)
    text_hash: String = column("128-bit hash of the text in NFC, lower case, whitespace collapsed", str_length=32)
    minhash: Binary = column("112 MinHash values (uint32, little endian) over word 5-grams: 14 bands of 8 rows")
    file: String = column("WARC file, as in web/raw_warcs")
    offset: Int64 = column("first byte of the record in the file", ge=0)
    length: Int64 = column("bytes of the record in the file", ge=1)
    offset_kind: String = column(
        "member: bytes of the file; uncompressed: of its decompressed stream", isin=OFFSET_KINDS
    )
    ingestion_date: Date = column("UTC day on which the file landed")


class DedupedCorpus(Contract, table="web/deduped_corpus"):
    """One document per duplicate cluster, judged on this day and all earlier ones."""

    doc_id: String = column(DOC_ID, str_length=32)
    source: String = column("name of the data source, used in mixtures")
    url: String = column("target URI")
    warc_date: Timestamp = column("time of the capture (WARC-Date), UTC", nullable=True)
    text: String = column("the document's text", str_length={"min_value": 1})
    text_length: Int64 = column("length of the text in characters", ge=1)
    word_count: Int64 = column("words that are not pure punctuation", ge=0)
    language: String = column("ISO 639 code")
    language_score: Float64 = column("probability of the language, 0 to 1", ge=0.0, le=1.0)
    text_hash: String = column("128-bit hash of the normalised text", str_length=32)
    cluster_id: String = column("doc_id of the cluster's keeper", str_length=32)
    cluster_size: Int64 = column("documents in the cluster as of this day", ge=1)
    file: String = column("WARC file, as in web/raw_warcs")
    offset: Int64 = column("first byte of the record in the file", ge=0)
    length: Int64 = column("bytes of the record in the file", ge=1)
    offset_kind: String = column(
        "member: bytes of the file; uncompressed: of its decompressed stream", isin=OFFSET_KINDS
    )
    ingestion_date: Date = column("UTC day on which the file landed")


class SignatureIndex(Contract, table="web/signature_index"):
    """What later days need to know of each filtered document to find its duplicates."""

    doc_id: String = column(DOC_ID, str_length=32)
    text_hash: String = column("128-bit hash of the normalised text", str_length=32)
    text_digest: Int64 = column("64-bit hash of the text as it is: another value is another text")
    band_keys: Binary = column(
        "48-bit keys of the LSH bands, little endian; null where another document of this text has them", nullable=True
    )
    text_length: Int64 = column("length of the text in characters", ge=1)
    language_score: Float64 = column("probability of the language, 0 to 1", ge=0.0, le=1.0)
    ingestion_date: Date = column("UTC day on which the document landed")


class DuplicateLinks(Contract, table="web/duplicate_links", key=("doc_id", "linked_doc_id")):
    """Verified duplicate pairs found on a day; connected, they are the clusters."""

    doc_id: String = column("the later document of the pair", str_length=32)
    linked_doc_id: String = column("the earlier document of the pair", str_length=32)
    kind: String = column("how the pair was found", isin=("exact", "near"))
    jaccard: Float64 = column("Jaccard similarity of the word 5-gram sets; 1 for exact", ge=0.0, le=1.0)
    ingestion_date: Date = column("UTC day on which the link was found")


class SpanIndex(Contract, table="web/span_index", key=("span_hash",)):
    """Lines, paragraphs or runs of sentences met in a day's corpus; written where ``web.dedup.spans`` is set."""

    span_hash: Int64 = column("64-bit hash of the span's words")
    first_seen: Bool = column("whether it stays in this day's corpus and no earlier day has it")
    ingestion_date: Date = column("UTC day of the corpus in which it was met")
