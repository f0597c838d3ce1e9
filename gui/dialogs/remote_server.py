"""The form in which a status server elsewhere is entered or changed."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

import msgspec
from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QLineEdit, QPushButton, QWidget

from core.bots.remote import is_open_to_eavesdroppers, token_name
from core.config import RemoteServerConfig
from core.i18n import tr
from core.secrets import environment_name
from gui.dialogs.fields import FormDialog, FormField

WIDTH = 480
_NAME_LENGTH = 40


class RemoteServerDialog(FormDialog):
    """A new server, or the changes of `server`, whose name stays; `server()` and `token()` are the result.

    `taken` are the names of the others. An empty token keeps the one that there is.
    """

    def __init__(
        self, parent: QWidget | None = None, *, server: RemoteServerConfig | None = None,
        taken: Collection[str] = (),
    ) -> None:  # fmt: skip
        title = tr("remote.dialog_edit", server=server.name) if server else tr("remote.dialog_new")
        super().__init__(parent, title, tr("remote.save" if server else "remote.add"))
        self._original = server
        self._taken = {token_name(name) for name in taken}
        self.name, self.url, self.token_edit = QLineEdit(self), QLineEdit(self), QLineEdit(self)
        self.authority = QLineEdit(self)
        self.name.setMaxLength(_NAME_LENGTH)
        self.token_edit.setEchoMode(QLineEdit.Password)
        self.url.setPlaceholderText("https://192.168.1.20:8765")
        self.f_name = self.add_field(tr("remote.field_name"), self.name)
        self.f_url = self.add_field(tr("remote.field_url"), self.url)
        self.f_token = self.add_field(tr("remote.field_token"), self.token_edit, self._token_help())
        self.f_authority = self.add_field(
            tr("remote.field_ca"), self._with_button(self.authority), tr("remote.help_ca")
        )
        self.warning = QLabel(self)
        self.warning.setWordWrap(True)
        self.warning.setProperty("role", "warning")
        self.finish(self.warning)
        self.setMinimumWidth(WIDTH)
        if server is not None:
            self.name.setText(server.name)
            self.name.setEnabled(False)
            self.url.setText(server.url)
            self.authority.setText(server.tls_ca)
        for editor in (self.name, self.url, self.token_edit, self.authority):
            editor.textChanged.connect(lambda _text: self._judge())
        self._blame_empty = False
        self._judge()

    def server(self) -> RemoteServerConfig:
        """What was entered. Raises `ValidationError` before the form is complete."""
        return msgspec.convert(
            {"name": self.name.text().strip(), "url": self.url.text().strip().rstrip("/"),
             "tls_ca": self.authority.text().strip()},
            RemoteServerConfig,
        )  # fmt: skip

    def token(self) -> str:
        """The token that was entered, "" if none was."""
        return self.token_edit.text().strip()

    def accept(self) -> None:
        """See `QDialog.accept`; does nothing but show what is missing while the form is not complete."""
        self._blame_empty = True
        self._judge()
        first = self.first_problem()
        if first is None:
            super().accept()
        else:
            first.editor.setFocus()

    def _token_help(self) -> str:
        return tr("remote.help_token_kept" if self._original else "remote.help_token")

    def _with_button(self, editor: QLineEdit) -> QWidget:
        box = QWidget(self)
        row = QHBoxLayout(box)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(editor, 1)
        button = QPushButton(tr("remote.choose"), box)
        button.setAutoDefault(False)
        button.clicked.connect(self._choose_file)
        row.addWidget(button)
        box.setFocusProxy(editor)
        return box

    def _choose_file(self) -> None:
        dialog = QFileDialog(self, tr("remote.field_ca"), str(Path.home()), "PEM (*.pem *.crt *.cer);;* (*)")
        dialog.setFileMode(QFileDialog.ExistingFile)
        dialog.setAttribute(Qt.WA_DeleteOnClose)
        dialog.fileSelected.connect(self.authority.setText)
        dialog.open()

    def _judge(self) -> None:
        self.show_problems(self._problems())
        url = self.url.text().strip()
        warns = not self.f_url.problem and bool(url) and is_open_to_eavesdroppers(url)
        self.warning.setText(tr("remote.warn_clear") if warns else "")
        self.warning.setVisible(warns)
        self.make_room()

    def _problems(self) -> list[tuple[FormField, str]]:
        found = []
        name, url, token = self.name.text().strip(), self.url.text().strip(), self.token()
        if not name:
            found.append((self.f_name, self._empty("remote.name_missing")))
        elif self._original is None and token_name(name) in self._taken:
            found.append((self.f_name, tr("remote.name_taken")))
        if not url:
            found.append((self.f_url, self._empty("remote.url_missing")))
        elif not _fits(url):
            found.append((self.f_url, tr("remote.url_bad", accepted=tr("config.accept_server_url"))))
        variable = environment_name(token_name(name)) if name else "SWING_REMOTE_TOKEN_…"
        if not token and self._original is None and not os.environ.get(variable):
            found.append((self.f_token, self._empty("remote.token_missing", variable=variable)))
        elif any(char.isspace() for char in token) or not token.isascii():
            found.append((self.f_token, tr("remote.token_bad")))
        path = self.authority.text().strip()
        if path and not Path(path).is_file():
            found.append((self.f_authority, tr("remote.ca_missing")))
        return [(field, sentence) for field, sentence in found if sentence]

    def _empty(self, key: str, **fields: str) -> str:
        return tr(key, **fields) if self._blame_empty else ""


def _fits(url: str) -> bool:
    try:
        msgspec.convert({"name": "x", "url": url}, RemoteServerConfig)
    except msgspec.ValidationError:
        return False
    return True
