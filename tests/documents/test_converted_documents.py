"""Documents that are not PDFs: what is read of them, what is left out, and what is refused."""

from __future__ import annotations

import importlib
import io
import json
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import docx
import pptx
import pytest
from docx.oxml import parse_xml
from hypothesis import given, settings
from hypothesis import strategies as st
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE

from mcp_context_resources.documents.markup.markdown import split_markdown
from mcp_context_resources.documents.markup.plain_text import cut_at_paragraphs
from mcp_context_resources.documents.office.word_numbering import numeral
from mcp_context_resources.documents.reader import BUILT_IN
from mcp_context_resources.documents.reader import PDF as PDF_READER
from mcp_context_resources.documents.reading.converted_document import ConvertedDocument
from mcp_context_resources.documents.reading.converters import convert
from mcp_context_resources.documents.spec import DocumentFile
from mcp_context_resources.errors import (
    ContextError,
    DeadlineExceededError,
    InvalidInputError,
    PasswordRequiredError,
    UnreadableSourceError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mcp_context_resources.documents.converted import Converted, Section
    from mcp_context_resources.workers.job import Job

_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\n"


@dataclass
class StandInJob:
    """A job that must stop after so many questions."""

    questions: int = 10**9
    done: list[float] = field(default_factory=list)

    @property
    def should_stop(self) -> bool:
        self.questions -= 1
        return self.questions < 0

    def progress(self, done: float, total: float = 0.0) -> None:  # noqa: ARG002 - as the real one
        self.done.append(done)


def job(questions: int = 10**9) -> Job:
    return cast("Job", StandInJob(questions))


CONVERTED = {ending: reader for reader in BUILT_IN if not reader.paged for ending in reader.endings}


def document_file(path: Path, encoding: str | None = None) -> DocumentFile:
    return DocumentFile(str(path), "any", CONVERTED[path.suffix], encoding=encoding)


def read(folder: Path, name: str, content: bytes | str, encoding: str | None = None) -> Converted:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return convert(job(), document_file(path, encoding))


def headings(document: Converted) -> list[tuple[int, str]]:
    return [(section.level, section.label) for section in document.sections]


def only(document: Converted) -> Section:
    (section,) = document.sections
    return section


def zipped(parts: Mapping[str, bytes | str], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def changed(archive: bytes, parts: Mapping[str, bytes | str]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        return zipped({**{name: source.read(name) for name in source.namelist()}, **parts})


def part(archive: bytes, name: str) -> str:
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        return source.read(name).decode()


def word(*paragraphs: str) -> bytes:
    document = docx.Document()
    for text in paragraphs:
        document.add_paragraph(text)
    return saved(document)


def saved(document: Any) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def without(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    there = importlib.import_module

    def absent(wanted: str, anchor: str | None = None) -> Any:
        if wanted.partition(".")[0] == package:
            raise ImportError(wanted)
        return there(wanted, anchor)

    monkeypatch.setattr(importlib, "import_module", absent)


# Plain text


@given(st.text(alphabet=st.sampled_from("a。.!?\r\n \t\u3000字\u2028#-=`|")).map(lambda text: text * 97))
@settings(deadline=None, database=None, derandomize=True, max_examples=60)
def test_parts_of_a_text_hold_every_character(text: str) -> None:
    parts = cut_at_paragraphs(job(), text)
    assert "".join(parts) == text
    assert all(0 < len(part) <= 6_000 for part in parts) or text == ""


def test_a_long_text_is_cut_where_paragraphs_end(tmp_path: Path) -> None:
    paragraphs = [f"{number} {JAPANESE * 20}\n" for number in range(20)]
    document = read(tmp_path, "t.txt", "".join(paragraphs))
    assert len(document.sections) > 3
    assert all(section.text.endswith("\n\n") and section.label == "" for section in document.sections)
    assert "".join(section.text for section in document.sections) == "".join(paragraphs)


def test_windows_line_ends_are_kept_and_are_no_paragraphs_by_themselves(tmp_path: Path) -> None:
    text = ("one line\r\n" * 300 + "\r\n") * 5
    document = read(tmp_path, "t.log", text)
    assert "".join(section.text for section in document.sections) == text
    assert document.sections[0].text.endswith("\r\n\r\n")


@pytest.mark.parametrize(
    ("encoding", "recognised"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("cp932", "cp932"),
        ("euc_jp", "euc_jp"),
        ("iso2022_jp", "iso2022_jp"),
    ],
)
def test_the_encoding_of_japanese_text_is_recognised(tmp_path: Path, encoding: str, recognised: str) -> None:
    document = read(tmp_path, "t.txt", JAPANESE.encode(encoding))
    assert only(document).text == JAPANESE
    assert document.properties["encoding"] == recognised


def test_western_text_is_recognised_and_a_named_encoding_decides(tmp_path: Path) -> None:
    assert only(read(tmp_path, "t.txt", "Le café était fermé à midi.".encode("cp1252"))).text.startswith(
        "Le café était"
    )
    assert only(read(tmp_path, "t.txt", "Ўзбек".encode(), "utf-8")).text == "Ўзбек"
    assert only(read(tmp_path, "t.txt", "привет".encode("koi8-r"), "koi8-r")).text == "привет"
    with pytest.raises(InvalidInputError, match="no encoding 'klingon'"):
        read(tmp_path, "t.txt", "x", "klingon")


def test_a_text_that_was_cut_off_inside_a_character_is_still_read(tmp_path: Path) -> None:
    document = read(tmp_path, "t.txt", JAPANESE.encode()[:-2])
    assert only(document).text.startswith("吾輩は猫である。")
    assert document.notes == ["1 places are not valid utf-8 and are shown as \ufffd."]


def test_invisible_characters_of_a_text_are_counted(tmp_path: Path) -> None:
    document = read(tmp_path, "t.txt", "see\u200b this\U000e0041\u202e")
    assert document.notes == ["It holds 3 invisible or control characters."]


# Markdown

MARKDOWN = """---
title: 報告
tags: [a, "b"]
authors:
  - 山田
  - Smith
---
intro

# First *heading* #

```python
# no heading
```

    # indented code

Second
over two lines
===

- item
  ```
  ## in a list
  ```
<!-- # hidden
## still hidden -->
> # quoted

Third `x_y` [link](http://example.org/)
---

| a | b\\|c |
|---|:--:|
| 1 | 2 |
| 3 |

###Not one
###### 深い見出し ######
<h2 align="center">Tagged</h2>
"""


def test_markdown_is_cut_at_headings_and_nowhere_else(tmp_path: Path) -> None:
    document = read(tmp_path, "t.md", MARKDOWN)
    assert headings(document) == [
        (0, ""),
        (1, "First heading"),
        (1, "Second over two lines"),
        (2, "Third x_y link"),
        (6, "深い見出し"),
        (2, "Tagged"),
    ]
    assert document.title == "報告"
    assert document.properties["tags"] == ["a", "b"]
    assert document.properties["authors"] == ["山田", "Smith"]
    assert document.sections[3].tables == ((("a", "b|c"), ("1", "2"), ("3",)),)
    assert "".join(section.text for section in document.sections) == MARKDOWN
    assert document.notes == ["It holds 1 HTML comments, which are not shown where Markdown is displayed."]


@given(st.lists(st.sampled_from([*MARKDOWN.splitlines(keepends=True), "\r\n", "\r", "===", "---\n", "~~~\n", "# "])))
@settings(deadline=None, database=None, derandomize=True, max_examples=200)
def test_sections_of_markdown_hold_every_character(lines: list[str]) -> None:
    text = "".join(lines)
    assert "".join(section.text for section in split_markdown(job(), text)) == text


def test_a_rule_after_a_list_or_a_table_is_no_heading(tmp_path: Path) -> None:
    document = read(tmp_path, "t.md", "- a\n---\n\n| x |\n---\n\n---\n\ntext\n\n---\n")
    assert headings(document) == [(0, "")]


@pytest.mark.slow
def test_headings_beyond_fifty_thousand_start_no_section(tmp_path: Path) -> None:
    document = read(tmp_path, "t.md", "# h\n" * 50_010)
    assert len(document.sections) == 50_001
    assert "".join(section.text for section in document.sections) == "# h\n" * 50_010
    assert document.notes == ["Headings after the 50,000th start no section of their own."]


def test_front_matter_in_toml_gives_properties(tmp_path: Path) -> None:
    document = read(tmp_path, "t.md", '+++\ntitle = "T"\ndate = 2025-01-02\n+++\n# H\n')
    assert (document.title, document.properties["date"]) == ("T", "2025-01-02")
    assert headings(document) == [(0, ""), (1, "H")]


# Notebooks


def notebook(*cells: dict[str, Any]) -> str:
    return json.dumps({"nbformat": 4, "metadata": {"kernelspec": {"display_name": "Python 3"}}, "cells": list(cells)})


def test_a_notebook_gives_prose_code_and_outputs(tmp_path: Path) -> None:
    outputs = [
        {"output_type": "stream", "text": ["a\n", "b" * 5_000]},
        {"output_type": "display_data", "data": {"image/png": "AAAA", "text/plain": ["<Figure size 1x1>"]}},
        {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["\x1b[31mE\x1b[0m: v"]},
    ]
    document = read(
        tmp_path,
        "t.ipynb",
        notebook(
            {"cell_type": "markdown", "source": ["# 題\n", "prose"]},
            {"cell_type": "code", "execution_count": 3, "source": "print('# no heading')", "outputs": outputs},
            {"cell_type": "markdown", "source": "## Next\n\n|a|b|\n|-|-|\n|1|2|"},
        ),
    )
    assert headings(document) == [(1, "題"), (2, "Next")]
    first = document.sections[0]
    assert "In [3]:\nprint('# no heading')" in first.text
    assert "```python\nprint('# no heading')\n```" in first.markdown
    assert "… 1,002 more characters" in first.text
    assert "Out [3]:\nE: v" in first.text
    assert document.sections[1].tables == ((("a", "b"), ("1", "2")),)
    assert document.properties == {"kernel": "Python 3", "cells": 3, "code_cells": 1}
    assert document.notes == [
        "1 images in outputs were left out.",
        "1 long outputs were cut after 4,000 characters.",
    ]


@pytest.mark.parametrize("content", ["{}", "[]", "{", '{"cells": 1}', "[" * 100_000])
def test_what_is_no_notebook_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(UnreadableSourceError, match="is not a notebook"):
        read(tmp_path, "t.ipynb", content)


# Web pages


def test_a_page_gives_headings_lists_links_and_tables(tmp_path: Path) -> None:
    page = """<!doctype html><html lang="ja"><head><title>題名</title><meta name=author content=山田></head><body>
    <p>before <b>bold</b><i> it </i>&amp; <a href="http://example.org/a b">link</a> <a href="javascript:x()">no</a>
    <h1>見出し<a href="#x">¶</a></h1><p>日本
    語の文 and
    English.<br>next</p>
    <ol start=3><li>three<ul><li>inner</ul><li><p>four<p>more</ol>
    <pre><code class="language-py">x = 1
  y</code></pre>
    <blockquote>quoted</blockquote><dl><dt>term<dd>meaning</dl>
    <h2>表</h2><table><tr><th colspan=2>A</th><th>B</th></tr><tr><td rowspan=2>1<td>2|<td>3<tr><td>4<br>5<td>6</table>
    <p># not a heading <p>1. not a list <p>*stars* &lt;b&gt;
    </body></html>"""
    document = read(tmp_path, "t.html", page)
    assert document.title == "題名"
    assert document.properties == {"language": "ja", "author": "山田", "encoding": "utf-8"}
    assert headings(document) == [(0, ""), (1, "見出し"), (2, "表")]
    before, first, table = document.sections
    assert before.markdown == "before **bold** *it* & [link](http://example.org/a%20b) no"
    assert before.text == "before bold it & link no"
    assert first.markdown == (
        "# 見出し\n\n日本語の文 and English.\nnext\n\n3. three\n  - inner\n4. four\n\n  more\n\n"
        "```py\nx = 1\n  y\n```\n\n> quoted\n\nterm\n\n  meaning"
    )
    assert table.tables == ((("A", "A", "B"), ("1", "2|", "3"), ("1", "4\n5", "6")),)
    assert "| 1 | 4<br>5 | 6 |" in table.markdown
    assert "| 1 | 2\\| | 3 |" in table.markdown
    assert table.markdown.endswith("\\# not a heading\n\n1\\. not a list\n\n\\*stars\\* \\<b>")


@pytest.mark.parametrize(
    "hidden",
    [
        '<p style="display: none">SECRET</p>',
        '<p style="DISPLAY:NONE !important">SECRET</p>',
        "<div hidden><p>SECRET</p></div>",
        '<span style="font-size:0">SECRET</span>',
        '<span style="opacity: 0.0">SECRET</span>',
        '<span style="position:absolute;left:-9999px">SECRET</span>',
        '<span style="color:#FFF;background-color:white">SECRET</span>',
        '<span class="a ghost">SECRET</span>',
        '<span id="veil">SECRET</span>',
    ],
)
def test_text_a_browser_would_not_show_is_left_out_and_told(tmp_path: Path, hidden: str) -> None:
    style = "<style>.ghost, #veil { display: none } @media print { .shown { display: none } }</style>"
    page = f"<head>{style}</head><body><p class=shown>seen</p>{hidden} tail<p aria-hidden=true>also seen"
    document = read(tmp_path, "t.html", page)
    text = only(document).text
    assert "SECRET" not in text + only(document).markdown
    assert [word for word in ("seen", "tail", "also seen") if word in text] == ["seen", "tail", "also seen"]
    assert document.notes == ["Hidden text left out: 6 characters that a browser would not show."]


def test_scripts_comments_and_invisible_characters_are_no_content(tmp_path: Path) -> None:
    page = "<script>SECRET</script><!-- SECRET --><noscript>SECRET</noscript><p>a\u200bb\U000e0041<template>SECRET"
    document = read(tmp_path, "t.html", page)
    assert only(document).text == "ab"
    assert document.notes == []


def test_the_signs_that_link_to_a_heading_are_no_hidden_text(tmp_path: Path) -> None:
    page = '<style>.headerlink { visibility: hidden }</style><h1>H<a class="headerlink" href="#h">¶</a> tail</h1>'
    document = read(tmp_path, "t.html", page)
    assert headings(document) == [(1, "H tail")]
    assert document.notes == []


def test_ruby_is_kept_apart(tmp_path: Path) -> None:
    page = (
        "<p><ruby>漢字<rp>(</rp><rt>かんじ</rt><rp>)</rp></ruby>と<ruby>東<rt>とう</rt>京<rt>きょう</rt></ruby>"
        "と<ruby><rb>大</rb><rb>阪</rb><rt>おお</rt><rt>さか</rt></ruby>"
    )
    assert only(read(tmp_path, "t.html", page)).text == "漢字(かんじ)と東(とう)京(きょう)と大阪(おおさか)"


@pytest.mark.parametrize(
    ("declared", "actual"),
    [
        ("shift_jis", "cp932"),
        ("euc-jp", "euc_jp"),
        ("iso-2022-jp", "iso2022_jp"),
        ("iso-8859-1", "utf-8"),
        ("", "cp932"),
    ],
)
def test_the_encoding_of_a_page_is_declared_or_recognised(tmp_path: Path, declared: str, actual: str) -> None:
    page = f"<meta charset='{declared}'><p>{JAPANESE * 3}"
    assert only(read(tmp_path, "t.html", page.encode(actual))).text == JAPANESE.strip() * 3


def test_pictures_are_told_by_their_descriptions(tmp_path: Path) -> None:
    document = read(tmp_path, "t.html", '<p>x <img src="http://evil.example/?q=1" alt="a cat"></p>')
    assert only(document).markdown == "x (image: a cat)"
    assert document.notes == ["1 images were left out; their descriptions are kept."]


def test_control_characters_named_by_number_do_no_harm(tmp_path: Path) -> None:
    page = "<p>a<script></script>&#1;b<ruby>&#2;漢<rt>か&#3;ん</rt></ruby><pre>x<br>&#4;y</pre>"
    document = read(tmp_path, "t.html", page)
    assert only(document).text == "ab漢(かん)\n\nx\ny"


def test_a_table_that_lays_out_a_page_is_read_as_text(tmp_path: Path) -> None:
    page = "<table><tr><td><h1>H</h1><p>text</td><td><table><tr><th>a<th>b<tr><td>1<td>2</table></td></tr></table>"
    document = read(tmp_path, "t.html", page)
    assert headings(document) == [(1, "H")]
    assert only(document).tables == ((("a", "b"), ("1", "2")),)


def test_a_page_nested_without_end_says_what_is_missing(tmp_path: Path) -> None:
    document = read(tmp_path, "t.html", "<p>seen</p>" + "<div>" * 100_000 + "deep")
    assert document.sections[0].text == "seen"
    assert document.notes[0].startswith("It is nested too deeply")


# Word documents


def test_a_word_document_gives_headings_lists_tables_and_notes(tmp_path: Path) -> None:
    document = docx.Document()
    document.core_properties.author = "山田"
    document.add_heading("報告書", 0)
    document.add_heading("第一章", 1)
    paragraph = document.add_paragraph("plain ")
    paragraph.add_run("bold").bold = True
    paragraph.add_run("HIDDEN").font.hidden = True
    paragraph._p.append(parse_xml(f"<w:ins {_W} w:id='1' w:author='a'><w:r><w:t> added</w:t></w:r></w:ins>"))
    paragraph._p.append(parse_xml(f"<w:del {_W} w:id='2' w:author='a'><w:r><w:delText>gone</w:delText></w:r></w:del>"))
    paragraph._p.append(
        parse_xml(
            f"<w:r {_W}><w:ruby><w:rt><w:r><w:t>かんじ</w:t></w:r></w:rt>"
            "<w:rubyBase><w:r><w:t>漢字</w:t></w:r></w:rubyBase></w:ruby></w:r>"
        )
    )
    document.add_paragraph("dot", style="List Bullet")
    document.add_paragraph("one", style="List Number")
    document.add_paragraph("two", style="List Number")
    table = document.add_table(rows=3, cols=3)
    for row in range(3):
        for column in range(3):
            table.cell(row, column).text = f"{row}{column}"
    table.cell(0, 0).merge(table.cell(0, 1)).text = "wide"
    table.cell(1, 0).merge(table.cell(2, 0)).text = "tall"
    document.sections[0].header.paragraphs[0].text = "社外秘"
    remark = document.add_paragraph("remarkable")
    document.add_comment(remark.runs, text="why?", author="佐藤")
    document.add_heading("Part", 2)
    document.add_paragraph("end")
    converted = read(tmp_path, "t.docx", saved(document))
    assert headings(converted) == [(1, "報告書"), (1, "第一章"), (2, "Part")]
    chapter = converted.sections[1]
    assert chapter.text == (
        "第一章\n\nplain bold added漢字(かんじ)\n\n- dot\n1. one\n2. two\n\n"
        "wide | wide | 02\ntall | 11 | 12\ntall | 21 | 22\n\nremarkable[comment 0]\n\n[comment 0] 佐藤: why?"
    )
    assert "plain **bold** added漢字(かんじ)" in chapter.markdown
    assert chapter.tables == ((("wide", "wide", "02"), ("tall", "11", "12"), ("tall", "21", "22")),)
    assert converted.title == "報告書"
    assert (converted.properties["author"], converted.properties["headers"]) == ("山田", ["社外秘"])
    assert converted.notes == [
        "It has tracked changes: 1 insertions are shown, 1 deletions are not.",
        "Hidden text left out: 6 characters.",
    ]


def test_japanese_style_names_and_outline_levels_make_headings(tmp_path: Path) -> None:
    document = docx.Document()
    document.styles.add_style("見出し　２", 1)
    document.add_paragraph("節", style="見出し　２")
    outlined = document.add_paragraph("概要")
    outlined._p.get_or_add_pPr().append(parse_xml(f"<w:outlineLvl {_W} w:val='0'/>"))
    document.add_paragraph("本文")
    assert headings(read(tmp_path, "t.docx", saved(document))) == [(2, "節"), (1, "概要")]


def test_numbers_of_headings_are_shown_as_word_shows_them(tmp_path: Path) -> None:
    document = docx.Document()
    level = "<w:lvl w:ilvl='{}'><w:start w:val='1'/><w:numFmt w:val='{}'/><w:lvlText w:val='{}'/></w:lvl>"
    numbering = document.part.numbering_part.element
    numbering.insert(
        0,
        parse_xml(
            f"<w:abstractNum {_W} w:abstractNumId='77'>"
            + level.format(0, "japaneseCounting", "第%1条")
            + level.format(1, "decimalFullWidth", "%1-%2")
            + "</w:abstractNum>"
        ),
    )
    numbering.append(parse_xml(f"<w:num {_W} w:numId='99'><w:abstractNumId w:val='77'/></w:num>"))
    for depth, text in ((0, "目的"), (1, "項"), (1, "項"), (0, "定義"), (1, "項")):
        paragraph = document.add_heading(text, depth + 1)
        paragraph._p.get_or_add_pPr().append(
            parse_xml(f"<w:numPr {_W}><w:ilvl w:val='{depth}'/><w:numId w:val='99'/></w:numPr>")
        )
    labels = [section.label for section in read(tmp_path, "t.docx", saved(document)).sections]
    assert labels == ["第一条 目的", "一-１ 項", "一-２ 項", "第二条 定義", "二-１ 項"]


@pytest.mark.parametrize(
    ("number", "form", "written"),
    [
        (14, "upperRoman", "XIV"),
        (28, "lowerLetter", "bb"),
        (2, "aiueo", "イ"),
        (1, "iroha", "イ"),
        (1234, "japaneseCounting", "千二百三十四"),
        (20, "decimalEnclosedCircle", "⑳"),
        (5, "decimalZero", "05"),
        (5, "someday", "5"),
    ],
)
def test_numbers_are_written_in_their_format(number: int, form: str, written: str) -> None:
    assert numeral(number, form) == written


def test_footnotes_stand_at_the_end_of_their_section(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("A", 1)
    document.add_paragraph("text")._p.append(parse_xml(f"<w:r {_W}><w:footnoteReference w:id='2'/></w:r>"))
    document.add_heading("B", 1)
    content = saved(document)
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"
    types = part(content, "[Content_Types].xml")
    relations = part(content, "word/_rels/document.xml.rels")
    content = changed(
        content,
        {
            "word/footnotes.xml": f"<w:footnotes {_W}><w:footnote w:id='2'><w:p><w:r><w:t>see p. 3</w:t></w:r></w:p>"
            "</w:footnote></w:footnotes>",
            "[Content_Types].xml": types.replace(
                "</Types>", f'<Override PartName="/word/footnotes.xml" ContentType="{kind}"/></Types>'
            ),
            "word/_rels/document.xml.rels": relations.replace(
                "</Relationships>",
                f'<Relationship Id="f1" Type="{relation}" Target="footnotes.xml"/>'
                '<Relationship Id="f2" Type="http://x/image" Target="../NULL"/>'
                '<Relationship Id="f3" Type="http://x/template" Target="http://evil.example/t" TargetMode="External"/>'
                "</Relationships>",
            ),
        },
    )
    document_sections = read(tmp_path, "t.docx", content).sections
    assert document_sections[0].text == "A\n\ntext[^2]\n\n[^2] see p. 3"


def test_a_macro_document_is_read_without_its_macros(tmp_path: Path) -> None:
    content = word("text")
    types = part(content, "[Content_Types].xml").replace(
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
        "application/vnd.ms-word.document.macroEnabled.main+xml",
    )
    content = changed(content, {"[Content_Types].xml": types, "word/vbaProject.bin": b"\0" * 1_000})
    assert only(read(tmp_path, "t.docm", content)).text == "text"


# Presentations


def test_slides_give_titles_bullets_tables_charts_and_speaker_notes(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = "売上"
    frame = slide.placeholders[1].text_frame
    frame.text = "一"
    inner = frame.add_paragraph()
    inner.text, inner.level = "二", 1
    slide.notes_slide.notes_text_frame.text = "ここで間を置く"
    second = deck.slides.add_slide(deck.slide_layouts[6])
    table = second.shapes.add_table(2, 2, 0, 0, 10**6, 10**6).table
    table.cell(0, 0).text = "a"
    table.cell(0, 0).merge(table.cell(0, 1))
    table.cell(1, 1).text = "d"
    figures = cast("Any", CategoryChartData)()
    figures.categories = ["East", "West"]
    figures.add_series("Q1", (1.5, 2))
    second.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 0, 10**6, 10**6, figures)
    box = second.shapes.add_textbox(0, 0, 10**6, 10**6)
    run = box.text_frame.paragraphs[0].add_run()
    run.text, run.hyperlink.address = "link", "https://example.org/"
    ghost = second.shapes.add_textbox(0, 0, 10**6, 10**6)
    ghost.text_frame.text = "SECRET"
    ghost._element.xpath(".//p:cNvPr")[0].set("hidden", "1")
    second._element.set("show", "0")
    document = read(tmp_path, "t.pptx", saved(deck))
    assert headings(document) == [(1, "slide 1: 売上"), (1, "slide 2")]
    assert document.sections[0].markdown == "# 売上\n\n- 一\n  - 二\n\n> Speaker notes: ここで間を置く"
    assert document.sections[1].tables == ((("a", "a"), ("", "d")), (("", "Q1"), ("East", "1.5"), ("West", "2")))
    assert "[link](https://example.org/)" in document.sections[1].markdown
    assert "SECRET" not in document.sections[1].text
    assert document.title == "売上"
    assert (document.properties["slides"], document.properties["slides_with_notes"]) == (2, 1)
    assert document.notes == [
        "Hidden text left out: 6 characters in hidden shapes.",
        "Slides hidden in the show: 2.",
    ]


@pytest.mark.parametrize("kind", ["stockChart", "newChart"])
def test_a_chart_of_an_unknown_kind_costs_only_itself(tmp_path: Path, kind: str) -> None:
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.title.text = "T"
    figures = cast("Any", CategoryChartData)()
    figures.categories = ["East"]
    figures.add_series("Q1", (1,))
    frame = slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 0, 10**6, 10**6, figures)
    content = saved(deck)
    name = str(frame.chart.part.partname)[1:]
    document = read(tmp_path, "t.pptx", changed(content, {name: part(content, name).replace("barChart", kind)}))
    assert only(document).text == "T"
    assert document.notes == ["1 charts were left out: they keep no figures that can be read here."]


# Books


def book(chapters: dict[str, str], **parts: str) -> bytes:
    items = "".join(f'<item id="{n}" href="{n}" media-type="application/xhtml+xml"/>' for n in chapters)
    spine = "".join(f'<itemref idref="{name}"/>' for name in chapters)
    nav = "".join(f'<li><a href="{name}#top">Contents: {name}</a></li>' for name in chapters)
    page = '<?xml version="1.0"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body>'
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": "<container xmlns='urn:oasis:names:tc:opendocument:xmlns:container'><rootfiles>"
            "<rootfile full-path='OPS/b.opf'/></rootfiles></container>",
            "OPS/b.opf": "<package xmlns='http://www.idpf.org/2007/opf' xmlns:dc='http://purl.org/dc/elements/1.1/'>"
            "<metadata><dc:title>走れメロス</dc:title><dc:creator>太宰治</dc:creator><dc:language>ja</dc:language>"
            f"</metadata><manifest>{items}<item id='nav' href='nav.xhtml' properties='nav'/></manifest>"
            f"<spine>{spine}</spine></package>",
            "OPS/nav.xhtml": f"{page}<nav><ol>{nav}</ol></nav></body></html>",
        }
        | {f"OPS/{name}": f"{page}{body}</body></html>" for name, body in chapters.items()}
        | dict(parts)
    )


def test_a_book_is_read_in_the_order_of_its_spine(tmp_path: Path) -> None:
    chapters = {
        "z.xhtml": "<h1>一</h1><p><ruby>激怒<rt>げきど</rt></ruby>した&nbsp;<a id='x'/>。</p>",
        "a.xhtml": "<p>no heading</p>",
    }
    document = read(tmp_path, "t.epub", book(chapters))
    assert headings(document) == [(1, "一"), (1, "Contents: a.xhtml")]
    assert document.sections[0].text == "一\n\n激怒(げきど)した\xa0。"
    assert document.title == "走れメロス"
    assert document.properties["author"] == ["太宰治"]
    assert document.properties["contents"] == ["Contents: z.xhtml", "Contents: a.xhtml"]


def test_a_chapter_that_is_no_xml_is_read_as_browsers_would(tmp_path: Path) -> None:
    document = read(tmp_path, "t.epub", book({"a.xhtml": "<h1>A</h1><p>one<br>two & three"}))
    assert only(document).text == "A\n\none\ntwo & three"


def test_a_protected_book_is_told_apart_from_one_with_hidden_fonts(tmp_path: Path) -> None:
    locked = "<encryption><EncryptedData><CipherReference URI='{}'/></EncryptedData></encryption>"
    archive = book({"a.xhtml": "<p>x</p>"})
    font = changed(archive, {"META-INF/encryption.xml": locked.format("OPS/font.otf")})
    assert only(read(tmp_path, "t.epub", font)).text == "x"
    with pytest.raises(PasswordRequiredError, match="protected against copying"):
        read(tmp_path, "t.epub", changed(archive, {"META-INF/encryption.xml": locked.format("OPS/a.xhtml")}))


# E-mail


def mail(*lines: str | bytes) -> bytes:
    return b"\r\n".join(line.encode() if isinstance(line, str) else line for line in lines)


def test_a_message_gives_headers_body_attachments_and_attached_messages(tmp_path: Path) -> None:
    document = read(
        tmp_path,
        "t.eml",
        mail(
            "From: =?ISO-2022-JP?B?GyRCOzNFRBsoQg==?= <y@example.jp>",
            'To: a@example.org, "B, C" <b@example.org>',
            "Subject: =?utf-8?B?44GT44KT44Gr?= =?utf-8?B?44Gh44Gv5LiW?= =?utf-8?B?55WM?=",
            "Date: Mon, 2 Jun 2025 10:00:00 +0900",
            "Message-ID: <1@example.jp>",
            "Content-Type: multipart/mixed; boundary=A",
            "",
            "--A",
            "Content-Type: multipart/alternative; boundary=B",
            "",
            "--B",
            "Content-Type: text/plain; charset=ISO-2022-JP",
            "",
            "本文です。\nさようなら".encode("iso2022_jp"),
            "--B",
            "Content-Type: text/html; charset=utf-8",
            "",
            "<p>HTML</p>",
            "--B--",
            "--A",
            "Content-Type: application/pdf",
            "Content-Disposition: attachment; filename*0*=UTF-8''%E5%A0%B1; filename*1*=%E5%91%8A.pdf",
            "Content-Transfer-Encoding: base64",
            "",
            "AAAA",
            "--A",
            "Content-Type: message/rfc822",
            "",
            "From: c@example.org",
            "Subject: inner",
            "Content-Type: text/html",
            "",
            "<h2>Inside</h2><p>body<span style='display:none'>SECRET</span>",
            "--A--",
        ),
    )
    assert document.title == "こんにちは世界"
    assert document.properties == {
        "from": "山田 <y@example.jp>",
        "to": ["a@example.org", "B, C <b@example.org>"],
        "date": "2025-06-02T10:00:00+09:00",
        "message_id": "<1@example.jp>",
        "attachments": [{"name": "報告.pdf", "type": "application/pdf", "bytes": 3}],
    }
    assert headings(document) == [
        (1, "こんにちは世界"),
        (0, ""),
        (2, "Attached message: inner"),
        (2, "Inside"),
    ]
    assert "Attachment: 報告.pdf (application/pdf, 3 bytes)" in document.sections[0].text
    assert document.sections[1].text == "本文です。\nさようなら"
    assert document.notes == ["Hidden text left out: 6 characters that a browser would not show."]


def test_words_cut_inside_a_character_and_raw_bytes_in_headers_are_read(tmp_path: Path) -> None:
    split = "Subject: =?utf-8?B?5pel?= =?utf-8?B?5pw=?=\r\n =?utf-8?B?rOiqng==?="
    assert read(tmp_path, "t.eml", mail("From: a@b", split, "", "x")).title == "日本語"
    raw = b"Subject: " + "会議のお知らせについてです".encode("cp932")
    assert read(tmp_path, "t.eml", mail("From: a@b", raw, "", "x")).title == "会議のお知らせについてです"


def test_a_message_in_html_keeps_its_headers_where_lxml_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = mail("From: a@b", "Subject: S", "Content-Type: text/html", "", "<p>body")
    assert [section.text for section in read(tmp_path, "t.eml", message).sections] == ["S\nFrom: a@b", "body"]
    without(monkeypatch, "lxml")
    document = read(tmp_path, "t.eml", message)
    assert only(document).text == "S\nFrom: a@b"
    assert document.notes[0].endswith("Install it with: pip install 'fresh-context[documents]'.")


def test_messages_nested_without_end_are_cut_or_refused(tmp_path: Path) -> None:
    attached = "Subject: deeper\r\nContent-Type: message/rfc822\r\n\r\n"
    document = read(tmp_path, "t.eml", attached * 60 + "Subject: last\r\n\r\nx")
    assert len(document.sections) <= 22
    assert any("levels deep are left out" in note for note in document.notes)
    parts = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(1_500))
    with pytest.raises(UnreadableSourceError, match="nested too deeply"):
        read(tmp_path, "t.eml", f"Subject: x\r\n{parts}")


# Files that are not what they should be

PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)

BAD: dict[str, tuple[bytes, str]] = {
    "pdf.docx": (PDF, "is a PDF by its content, not a Word document. Give it the ending .pdf"),
    "pdf.txt": (PDF, "is a PDF by its content"),
    "page.docx": (b"<html><p>x", "is a web page by its content, not a Word document"),
    "words.docx": (b"dear reader", "is damaged or something else"),
    "words.epub": (b"dear reader", "is damaged or something else"),
    "binary.html": (bytes(range(256)) * 4, "is binary data, not text"),
    "binary.md": (b"abc\0def", "is binary data, not text"),
    "png.html": (b"\x89PNG\r\n\x1a\n" + bytes(50), "is a PNG picture"),
    "zip.docx": (zipped({"a.txt": "x"}), "is a zip archive, but no office document"),
    "zip.epub": (zipped({"a.txt": "x"}), "is a zip archive, but no EPUB book"),
    "sheet.docx": (zipped({"xl/workbook.xml": "<x/>"}), "is an Excel workbook by its content"),
    "open.docx": (zipped({"mimetype": "application/vnd.oasis.opendocument.text"}), "opendocument.text"),
    "old.docx": (OLD_OFFICE, "is an Office file of the kind before 2007"),
    "words.eml": (b"dear reader,\n\nhow are you?\n", "is no e-mail message"),
    "blank.txt": (b" \r\n\t", "is empty"),
    "cut.docx": (word("text")[:-400], "is damaged"),
    "swapped.docx": (saved(pptx.Presentation()), "is a PowerPoint presentation by its content"),
    "swapped.pptx": (word("text"), "is a Word document by its content"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_not_what_its_name_says_gets_a_sentence(tmp_path: Path, name: str) -> None:
    content, told = BAD[name]
    with pytest.raises(UnreadableSourceError) as caught:
        read(tmp_path, name, content)
    assert told in str(caught.value)
    assert name in caught.value.message
    assert str(tmp_path) not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("ending", CONVERTED)
def test_an_empty_file_is_told_as_empty(tmp_path: Path, ending: str) -> None:
    with pytest.raises(UnreadableSourceError, match="is empty"):
        read(tmp_path, f"t{ending}", b"")


def test_an_office_file_with_a_password_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PasswordRequiredError) as caught:
        read(tmp_path, "t.docx", OLD_OFFICE + "EncryptedPackage".encode("utf-16-le"))
    assert caught.value.hint == "Save a copy without the password and read that."


@pytest.mark.parametrize(("name", "member"), [("t.docx", "word/document.xml"), ("t.pptx", "ppt/presentation.xml")])
def test_a_part_that_unpacks_to_too_much_is_refused(tmp_path: Path, name: str, member: str) -> None:
    whole = word("x") if name == "t.docx" else saved(pptx.Presentation())
    with pytest.raises(UnreadableSourceError, match="would unpack to more"):
        read(tmp_path, name, changed(whole, {member: b" " * (40 << 20)}))


def test_a_book_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSourceError, match="would unpack to more"):
        read(tmp_path, "t.epub", book({"a.xhtml": " " * (40 << 20)}))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_declared_in_a_part_are_not_expanded(tmp_path: Path, encoding: str) -> None:
    declared = (
        f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE w:document [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
        f"<w:document {_W}><w:body><w:p><w:r><w:t>&a;</w:t></w:r></w:p></w:body></w:document>"
    )
    with pytest.raises(UnreadableSourceError, match="declares entities"):
        read(tmp_path, "t.docx", changed(word("x"), {"word/document.xml": declared.encode(encoding)}))
    laughs = "<?xml version='1.0'?><!DOCTYPE p [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><package>&b;</package>"
    with pytest.raises(UnreadableSourceError, match="declares entities"):
        read(tmp_path, "t.epub", changed(book({"a.xhtml": "x"}), {"OPS/b.opf": laughs}))


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSourceError, match="is damaged"):
        read(tmp_path, "t.docx", changed(word("x"), {"word/document.xml": f"<w:document {_W}><w:body>"}))


@pytest.mark.parametrize("name", ["t.txt", "t.md", "t.html", "t.docx", "t.pptx", "t.epub", "t.eml", "t.ipynb"])
def test_work_stops_when_the_job_must(tmp_path: Path, name: str) -> None:
    long = "".join(f"{n} {JAPANESE}\n" for n in range(4_000))
    cells = [{"cell_type": "markdown", "source": "x"}] * 50
    content: dict[str, bytes | str] = {
        "t.txt": long,
        "t.md": long,
        "t.html": "<p>x" * 1_000,
        "t.docx": word(*["x"] * 50),
        "t.pptx": saved(pptx.Presentation()),
        "t.epub": book({"a.xhtml": "<p>x</p>" * 100}),
        "t.eml": f"Subject: x\n\n{long}",
        "t.ipynb": notebook(*cells),
    }
    path = tmp_path / name
    data = content[name]
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    with pytest.raises(DeadlineExceededError):
        convert(job(questions=3), document_file(path))


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [
        ("t.docx", "docx", "python-docx"),
        ("t.pptx", "pptx", "python-pptx"),
        ("t.html", "lxml", "lxml"),
        ("t.epub", "lxml", "lxml"),
    ],
)
def test_a_missing_library_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str, package: str
) -> None:
    content = {"t.docx": word("x"), "t.pptx": saved(pptx.Presentation()), "t.html": b"<p>x", "t.epub": book({"a": "x"})}
    without(monkeypatch, module)
    with pytest.raises(ContextError) as caught:
        read(tmp_path, name, content[name])
    assert package in caught.value.message
    assert caught.value.hint == "Install it with: pip install 'fresh-context[documents]'."


def test_an_unknown_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no form 'pdf'"):
        convert(job(), DocumentFile(str(tmp_path / "t"), "any", PDF_READER))


# Tables of any form


def tables(folder: Path, name: str, content: bytes | str) -> list[tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]]:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    document = ConvertedDocument(job(), document_file(path))
    return [
        ((table.caption, *table.columns), table.rows[table.header_rows :])
        for index in range(document.total)
        for table in document.tables(job(), index)
    ]


def html_table(*rows: str) -> str:
    return "<table>" + "".join(f"<tr><td>{row.replace('|', '<td>')}</tr>" for row in rows) + "</table>"


def test_cells_to_the_right_of_the_header_are_kept(tmp_path: Path) -> None:
    (table,) = tables(tmp_path, "t.html", html_table("Line|Fare", "Blue|210|by night|x", "Red"))
    assert table == (
        ("", "Line", "Fare", "column_3", "column_4"),
        (("Blue", "210", "by night", "x"), ("Red", "", "", "")),
    )


@pytest.mark.parametrize("title", ["運賃 2026", "運賃 2026|", "運賃 2026||", "<td colspan=3>運賃 2026"])
def test_a_row_of_one_text_above_the_header_is_the_title(tmp_path: Path, title: str) -> None:
    page = html_table(title, "Line|2024|2025", "Blue|210|220").replace("<td><td colspan", "<td colspan")
    assert tables(tmp_path, "t.html", page) == [(("運賃 2026", "Line", "2024", "2025"), (("Blue", "210", "220"),))]


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (["|Fare", "Line|Yen", "Blue|x"], ("", "column_1", "Fare")),
        (["Line|", "Blue|210", "Red|1,180"], ("", "Line", "column_2")),
        (["Fares", "Blue|210"], ("", "Fares", "column_2")),
        (["Line", "Blue|", "Red|x|y"], ("", "Line", "column_2", "column_3")),
    ],
)
def test_a_header_with_one_name_stays_the_header(tmp_path: Path, rows: list[str], columns: tuple[str, ...]) -> None:
    (table,) = tables(tmp_path, "t.html", html_table(*rows))
    assert table[0] == columns
    assert len(table[1]) == len(rows) - 1


@pytest.mark.slow
def test_short_rows_below_a_very_wide_one_are_not_filled_up_without_end(tmp_path: Path) -> None:
    page = "<table><tr>" + "<td colspan=1000>x" * 400 + "<tr><td>y" * 50_000 + "</table>"
    document = read(tmp_path, "t.html", page)
    (rows,) = only(document).tables
    assert len(rows) == 2
    assert any("1,000,000 cells" in note for note in document.notes)
    lines = f"|{'a|' * 2_000}\n|{'-|' * 2_000}\n" + "|b|\n" * 2_000
    with pytest.raises(UnreadableSourceError, match="more than 2,000,000 cells"):
        tables(tmp_path, "t.md", lines)
