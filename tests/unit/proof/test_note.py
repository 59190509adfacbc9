"""Signed notes and checkpoints are those of C2SP and of Go's reference implementation, byte for byte."""

from __future__ import annotations

import base64

import pytest

from carbonledger_proof import checkpoint, errors, merkle, note, signature
from tests.unit.proof import vectors

VECTORS = vectors.load("note.json")
GO = VECTORS["go"]
TEXT, LINE, ENOCH_LINE = GO["text"], GO["line"], GO["enoch_line"]
PETER, ENOCH = note.parse_verifier(GO["verifier"]), note.parse_verifier(GO["enoch_verifier"])
ORIGIN = "ledger.example/log"


def test_go_s_note_is_made_and_read() -> None:
    seed = base64.b64decode(GO["signer"].split("+", 4)[4])[1:]
    public, sign = signature.signer(seed)
    assert str(note.Verifier("PeterNeumann", public)) == GO["verifier"]
    assert note.signed(TEXT, [(PETER, sign)]).encode() == f"{TEXT}\n{LINE}"


def test_a_verifier_s_key_that_is_cut_or_changed_is_refused() -> None:
    key = GO["verifier"]
    mangled = [key[begin:end] for begin in range(len(key)) for end in range(begin + 1, len(key) + 1) if end - begin < len(key)]
    mangled += [key[:at] + chr(ord(key[at]) + 1) + key[at + 1 :] for at in range(len(key))]
    for wrong in [*mangled, *GO["not_verifiers"]]:
        with pytest.raises(errors.NoteInvalid):
            note.parse_verifier(wrong)


def test_lines_of_unknown_keys_are_ignored_and_known_ones_verified() -> None:
    both = note.parse(f"{TEXT}\n{LINE}{ENOCH_LINE}")
    assert both.text == TEXT
    assert both.verified_by([PETER]) == (PETER,)
    assert both.verified_by([PETER, ENOCH]) == (PETER, ENOCH)
    assert note.parse(f"{TEXT}\n{LINE * 2}").verified_by([PETER]) == (PETER,)
    with pytest.raises(errors.NoteInvalid):
        both.verified_by([])


def test_a_note_is_rejected_if_any_known_signature_fails() -> None:
    wrong = note.Line("PeterNeumann", PETER.key_id, bytes(64))
    with pytest.raises(errors.NoteInvalid):
        note.parse(f"{TEXT}\n{ENOCH_LINE}{wrong}").verified_by([PETER, ENOCH])
    with pytest.raises(errors.NoteInvalid):
        note.parse(f"{TEXT}\n{LINE[:60]}ABCD{LINE[60:]}").verified_by([PETER])


def test_sixteen_signatures_are_accepted_and_a_hundred_are_not() -> None:
    assert note.parse(f"{TEXT}\n{ENOCH_LINE * 15}{LINE}").verified_by([PETER]) == (PETER,)
    with pytest.raises(errors.NoteInvalid):
        note.parse(f"{TEXT}\n{LINE * 101}")


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        f"{TEXT}\n",
        f"{TEXT}\n{LINE[:-1]}",
        f"\x01{TEXT}\n{LINE}",
        f"{TEXT}\n{LINE.replace('PeterNeumann', 'Bad Name')}",
        f"{TEXT}\n{LINE}Unexpected line.\n",
        f"{TEXT}\n{LINE.replace('— ', '- ')}",
        f"{TEXT}\n{LINE.replace('PeterNeumann', 'Peter+Neumann')}",
        f"{TEXT}\n{LINE.replace('PeterNeumann', 'Peter Neumann')}",
        f"{TEXT}\n{LINE.replace('=', '')}",
        f"{TEXT}\n— PeterNeumann AAAAAA==\n",
        f"{TEXT}{LINE}",
        f"{TEXT}\n{LINE}\r\n",
        f"{TEXT}\ud800\n{LINE}",
        b"\xff" + f"{TEXT}\n{LINE}".encode(),
    ],
)
def test_what_is_no_note_is_refused(content: str | bytes) -> None:
    with pytest.raises(errors.NoteInvalid):
        note.parse(content)


def test_the_examples_of_c2sp_are_read() -> None:
    poem = note.parse(VECTORS["c2sp"]["note"])
    assert poem.text.endswith("\n\ned è subito sera.\n")
    assert [(line.name, len(line.signature)) for line in poem.lines] == [("quasimodo.example/salvatore", 64)]
    assert poem.encode() == VECTORS["c2sp"]["note"]
    sofa = note.parse(VECTORS["c2sp"]["checkpoint"])
    found = checkpoint.parse(sofa.text)
    assert (found.origin, found.size) == ("example.com/behind-the-sofa", 20852163)
    assert found.root == base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    assert found.text() == sofa.text
    assert sofa.lines[0].key_id.hex() == "033de0ae"


ROOT = merkle.leaf_hash(b"")
HASH = base64.b64encode(ROOT).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"{ORIGIN}\n1\n{HASH}",
        f"{ORIGIN}\n1\n",
        f"\n1\n{HASH}\n",
        f"{ORIGIN}\n01\n{HASH}\n",
        f"{ORIGIN}\n+1\n{HASH}\n",
        f"{ORIGIN}\n-1\n{HASH}\n",
        f"{ORIGIN}\n1 \n{HASH}\n",
        f"{ORIGIN}\n٣\n{HASH}\n",
        f"{ORIGIN}\n9007199254740992\n{HASH}\n",
        f"{ORIGIN}\n99999999999999999999\n{HASH}\n",
        f"{ORIGIN}\n1\n{HASH[:-1]}\n",
        f"{ORIGIN}\n1\n{HASH[:-4]}\n",
        f"{ORIGIN}\n1\n{HASH}\n\n",
        f"{ORIGIN}\n1\n{HASH}\n\nextension\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(errors.NoteInvalid):
        checkpoint.parse(text)


def test_a_checkpoint_is_verified_for_its_log_only() -> None:
    public, sign = signature.signer(bytes(32))
    made = checkpoint.Checkpoint(ORIGIN, 1, ROOT)
    text = made.signed(public, sign)
    assert checkpoint.verified(text, origin=ORIGIN, keys=[public]) == (made, public)
    with pytest.raises(errors.NoteInvalid):
        checkpoint.verified(text, origin="other.example/log", keys=[public])
    with pytest.raises(errors.NoteInvalid):
        checkpoint.verified(text, origin=ORIGIN, keys=[signature.signer(bytes(31) + b"\x01")[0]])
    other = note.signed(checkpoint.Checkpoint("other.example/log", 1, ROOT).text(), [(note.Verifier(ORIGIN, public), sign)])
    with pytest.raises(errors.NoteInvalid):
        checkpoint.verified(other.encode(), origin=ORIGIN, keys=[public])


def test_extension_lines_are_read_over() -> None:
    assert checkpoint.parse(f"{ORIGIN}\n0\n{HASH}\nmore\n").size == 0


@pytest.mark.parametrize("wrong", [("", 1, ROOT), (ORIGIN, -1, ROOT), (ORIGIN, 1, b""), ("a\nb", 1, ROOT), (ORIGIN, 2**53, ROOT)])
def test_an_impossible_checkpoint_is_not_signed(wrong: tuple[str, int, bytes]) -> None:
    with pytest.raises(errors.NoteInvalid):
        checkpoint.Checkpoint(*wrong).text()


def test_a_proof_is_text_as_tlog_proof_has_it() -> None:
    public, sign = signature.signer(bytes(32))
    note_ = checkpoint.Checkpoint(ORIGIN, 3, ROOT).signed(public, sign)
    proof = checkpoint.Proof(2, (ROOT,), note_, b"extra")
    assert proof.encode() == f"c2sp.org/tlog-proof@v1\nextra ZXh0cmE=\nindex 2\n{HASH}\n\n{note_}"
    assert checkpoint.parse_proof(proof.encode()) == proof
    bare = checkpoint.Proof(0, (), note_)
    assert bare.encode() == f"c2sp.org/tlog-proof@v1\nindex 0\n\n{note_}"
    assert checkpoint.parse_proof(bare.encode()) == bare
    for wrong in (
        "",
        "c2sp.org/tlog-proof@v1\n\n",
        f"c2sp.org/tlog-proof@v1\nindex 01\n\n{note_}",
        f"c2sp.org/tlog-proof@v2\nindex 0\n\n{note_}",
    ):
        with pytest.raises(errors.NoteInvalid):
            checkpoint.parse_proof(wrong)
