"""What is looked for: words in any form, and what the index is asked for it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbox.search import Query, Term, digits, document, fold, names, owner, parse, stem

FORMS = """
консультация консультации консультацию консультацией консультаций консультациям консультациями консультациях
договор договора договору договором договоре договоры договоров договорам договорами договорах
встреча встречи встрече встречу встречей встреч встречам встречами встречах
цена цены цене цену ценой цен ценам ценами ценах
кухня кухни кухне кухню кухней кухням кухнями
квартира квартиры квартире квартиру квартирой квартир квартирами
скидка скидки скидке скидку скидкой скидок скидкам скидками
звонок звонка звонку звонком звонке звонки звонков звонками
планировка планировки планировку планировок планировкой
новый новая новое новые нового новому новым новой новую новыми новых новом
оплата оплаты оплате оплату оплатой оплат оплатить оплатил оплатила оплатили оплатит оплатят
встретиться встретимся встретились встретился встретилась
ремонт ремонта ремонту ремонтом ремонте ремонты ремонтов
проект проекта проекту проектом проекте проекты проектов проектам проектами
деньги денег деньгам деньгами деньгах
счёт счета счету счетом счете счетов счетами
время времени временем
запись записи записью записей записям
ёлка елки ёлку елкой ёлок елок
работать работаю работает работают работал работала работали работаете
чек чека чеки чеков
meeting meetings
price prices pricing priced
reply replies replied
book books booked booking
plan plans planned planning
""".strip().splitlines()
APART = ["дом дым", "счёт счастье", "кухня кухарка", "консультация консультант", "price prince", "book boot", "5 50"]


@pytest.mark.parametrize("forms", FORMS, ids=lambda forms: forms.split()[0])
def test_the_forms_of_a_word_have_one_stem(forms: str) -> None:
    assert len({stem(fold(word)) for word in forms.split()}) == 1


@pytest.mark.parametrize("words", APART)
def test_other_words_have_another(words: str) -> None:
    one, two = words.split()
    assert stem(fold(one)) != stem(fold(two))


@pytest.mark.parametrize(
    ("word", "folded"),
    [("Ёлка", "елка"), ("ЙОД", "йод"), ("и\u0306", "й"), ("за\u0301мок", "замок"), ("José", "jose"), ("№5", "no5")],
)
def test_folding(word: str, folded: str) -> None:
    assert fold(word) == folded


@pytest.mark.parametrize(
    ("asked", "text", "found"),
    [
        ("консультации", "Сколько стоит консультация?", ["консультация"]),
        ("елка", "Ёлка, ёлки и ёлочка", ["Ёлка", "ёлки"]),
        ("цена скидка", "Скидки нет, цены те же", ["Скидки", "цены"]),
        ("цена скидка", "Цены те же", None),
        ("конс*", "Консультант прислал консервы", ["Консультант", "консервы"]),
        ("да", "Да", ["Да"]),
        ("«новые цены»", "Новые цены и новая цена", ["Новые цены"]),
        ('"новая цена" скидка', "новые цены, скидки", None),
        ("+7 916", "Пишите на +7 916 123-45-67", ["7", "916"]),
        ("anna@example.com", "Почта Anna@Example.com", ["Anna", "Example", "com"]),
        ("иван", "И\u0306ван и Иван", ["Иван"]),
        ("замок", "за\u0301мок", ["за\u0301мок"]),
    ],
)
def test_what_is_found_where(asked: str, text: str, found: list[str] | None) -> None:
    places = parse(asked).find(text)
    assert (None if places is None else [text[start:end] for start, end in places]) == found


@pytest.mark.parametrize("asked", ["", "  ", "🙂", "?!", '""', "«»", "*"])
def test_nothing_to_look_for(asked: str) -> None:
    assert not parse(asked) and parse(asked).index_terms() == []


def test_what_the_index_is_asked() -> None:
    assert parse("Встречи зум* консу* ab*").index_terms() == ["встреч", "+зум", "+конс", "ab"]
    assert parse('"новая цена"').index_terms() == ["нов", "цен"]


def test_wider() -> None:
    query = parse("консульт да")
    assert query.wider() == Query((Term("start", ("консульт",)), Term("form", ("да",))))
    assert parse("конс*").wider() is None and parse("да").wider() is None


def test_an_endless_query_is_cut() -> None:
    assert len(parse(" ".join(f"слово{n}" for n in range(50))).terms) == 8


def test_the_form_in_the_index_stays_the_same() -> None:
    """When this changes, a step of the schema must fill the index anew."""
    text = "Здравствуйте! Сколько стоит консультация? Ёлка 9 м² it's meetings"
    assert document(text, 17) == (
        "=17 здравств +здр +здра +здравс сколк +ско +скол +скольк сто +сто +стои консультац +кон +конс +консул"
        " елк +елк +елка 9 м2 it s meet +mee +meet +meetin"
    )


def test_phones_and_names() -> None:
    assert digits("+1 (202) 555-01.43") == "12025550143"
    assert digits("Анна 5") == digits("") == digits("٣٣") == ""
    assert names("Анна-Мария Петрова_2") == ["анна", "мария", "петрова", "2"]


TEXT = st.text(alphabet=st.sampled_from('аеёйиняскотьцвбА Ё.,*"«»+=_-abcedsing019\u0301\u0306🙂\n²½'), max_size=60)


@settings(max_examples=200)
@given(TEXT, TEXT)
def test_whatever_is_found_has_all_terms_of_the_index(text: str, asked: str) -> None:
    query = parse(asked)
    if query and query.find(text) is not None:
        assert set(query.index_terms()) <= set(document(text, 1).split(" "))


@settings(max_examples=200)
@given(st.text(max_size=80), st.integers(1, 10**9))
def test_terms_are_fit_for_the_index(text: str, identity: int) -> None:
    terms = document(text, identity).split(" ")
    assert terms[0] == owner(identity) and len(set(terms)) == len(terms)
    assert all(re.fullmatch(r"\+?[^\W_]+", term) for term in terms[1:])
    assert all(not re.search(r"[A-Z\"' ]", term) for term in terms)


@settings(max_examples=200)
@given(st.text(max_size=80))
def test_every_text_is_found_by_each_of_its_words(text: str) -> None:
    for word in names(text)[:20]:
        places = parse(word).find(text)
        assert places and all(0 <= start < end <= len(text) for start, end in places)
