"""PDF without what it needs from the system: one sentence with the remedy."""

import sys

import pytest

from mailsla.sinks.statement.errors import StatementError
from mailsla.sinks.statement.render import pdf


@pytest.fixture(autouse=True)
def forgetful():
    yield
    pdf._weasyprint.cache_clear()
    pdf._need_chinese_font.cache_clear()


def test_without_pango_the_packages_are_named(tmp_path, monkeypatch):
    (tmp_path / "weasyprint.py").write_text("raise OSError('cannot load libpango-1.0-0')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "weasyprint", raising=False)
    pdf._weasyprint.cache_clear()
    with pytest.raises(StatementError, match="Pango, which is not installed; on Debian: apt-get"):
        pdf.pdf_of("<p>x</p>", "en")


def test_without_a_chinese_font_the_package_is_named(tmp_path, monkeypatch):
    (tmp_path / "fc-list").write_text("#!/bin/sh\n")
    (tmp_path / "fc-list").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    pdf._need_chinese_font.cache_clear()
    with pytest.raises(StatementError, match="apt-get install fonts-noto-cjk, or ask for HTML"):
        pdf.pdf_of("<p>中</p>", "zh")
