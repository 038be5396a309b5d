"""What trackers call wanted, given up, done and begun in the languages of their users, beside English.

A status that is not understood is kept as had and teaches nothing: of a planned film that would be wrong.
These are the words that forms and exports offer, not every way to say it.
"""

from typing import Final

from confidante.core.text import folded
from confidante.packs.signals import EventKind, Signal, ValueOf, kinds

_WANTED: Final = """
    geplant, möchte ich lesen, möchte ich sehen, möchte ich hören, will ich lesen, will ich sehen,
    zu lesen, ungelesen, ungesehen, ungehört, noch nicht gelesen, noch nicht gesehen, merkliste,
    wunschliste, à lire, à voir, à écouter, à jouer, envie de lire, envie de voir, prévu, prévue,
    non lu, non vu, pas lu, pas vu, liste d'envies, liste d’envies, por leer, por ver, por escuchar,
    pendiente, pendientes, quiero leer, quiero ver, sin leer, sin ver, planeado, lista de deseos,
    da leggere, da vedere, da ascoltare, voglio leggere, voglio vedere, non letto, non visto,
    lista desideri, quero ler, quero ver, quero assistir, para ler, para ver, por ler, não lido,
    não visto, planejado, planeado, lista de desejos, wil ik lezen, wil ik zien, te lezen, te kijken,
    gepland, ongelezen, ongezien, verlanglijst, chcę przeczytać, chcę obejrzeć, do przeczytania,
    do obejrzenia, planowane, nieprzeczytane, nieobejrzane, хочу прочитать, хочу посмотреть,
    буду смотреть, буду читать, запланировано, в планах, не прочитано, не просмотрено, 読みたい, 見たい,
    観たい, 聴きたい, 聞きたい, 積読, 未読, 未視聴, 視聴予定, 想读, 想看, 想听, 想玩, 想讀, 想聽, 未读,
    未看, 未讀, 计划观看, 計畫觀看, 읽고 싶은, 보고 싶은, 읽고 싶어요, 보고 싶어요, 볼 예정, 읽을 예정,
    안 읽음, okunacak, izlenecek, okumak istiyorum, izlemek istiyorum, vill läsa, vill se, att läsa,
    oläst, osedd, vil læse, vil se, ulæst, vil lese, ulest, chci číst, chci přečíst, chci vidět,
    nepřečteno, haluan lukea, haluan katsoa, lukematta
"""
_GIVEN_UP: Final = """
    abgebrochen, aufgegeben, nicht beendet, abandonné, abandonnée, abandonado, abandonada, dejado,
    dejada, abbandonato, abbandonata, desistiu, larguei, afgebroken, opgegeven, gestopt, porzucone,
    porzucony, porzucona, przerwane, брошено, заброшено, бросил, бросила, 中止, 断念, 挫折, 視聴中止,
    弃读, 弃剧, 弃, 放弃, 棄讀, 放棄, 하차, 중단, bırakıldı, yarıda bırakıldı, avbruten, avbrutet,
    afbrudt, avbrutt, přerušeno, nedočteno, kesken jätetty
"""
_DONE: Final = """
    gelesen, gesehen, gehört, beendet, abgeschlossen, lu, lue, vu, vue, écouté, terminé, terminée,
    leído, leída, visto, vista, terminado, terminada, completado, completada, letto, letta, finito,
    completato, lido, lida, assistido, assistida, concluído, concluída, gelezen, gezien, bekeken,
    uitgelezen, voltooid, przeczytane, obejrzane, ukończone, прочитано, просмотрено, завершено, 読了,
    読んだ, 見た, 観た, 視聴済み, 既読, 读过, 看过, 听过, 已读, 已看, 看完, 读完, 讀過, 看過, 已讀,
    읽음, 다 읽음, 봤어요, 완료, okundu, izlendi, tamamlandı, läst, sedd, læst, lest, přečteno,
    zhlédnuto, luettu, katsottu
"""
_BEGUN: Final = """
    lese ich gerade, schaue ich gerade, am lesen, en cours, en cours de lecture, leyendo, viendo,
    en curso, in lettura, sto leggendo, in corso, lendo, assistindo, em andamento, aan het lezen, bezig,
    czytam, oglądam, w trakcie, читаю, смотрю, 読書中, 視聴中, 読んでいる, 見ている, 在读, 在看, 在听,
    在讀, 읽는 중, 보는 중, okunuyor, izleniyor, läser, læser, leser, čtu, luen
"""
_LIKED: Final = """
    gefällt mir, j'aime, j’aime, me gusta, mi piace, gostei, vind ik leuk, lubię to, нравится, いいね,
    高評価, 喜欢, 喜歡, 点赞, 좋아요, beğendim, gillar, synes godt om
"""
_DISLIKED: Final = """
    gefällt mir nicht, je n'aime pas, je n’aime pas, no me gusta, non mi piace, não gostei, niet leuk,
    nie lubię, не нравится, 低評価, 不喜欢, 不喜歡, 싫어요, beğenmedim
"""


def _both(says: EventKind, words: str) -> dict[str, EventKind]:
    """Return the entries of words, and of the same without accents, as people type them."""
    return {**kinds(says, folded(words)), **kinds(says, words)}


STATUS_WORDS: Final = {
    **_both(EventKind(value=ValueOf.RATING, unit="stars", top=5.0), _DONE),
    **_both(EventKind(), _LIKED),
    **_both(EventKind(Signal.AGAINST), f"{_GIVEN_UP}, {_DISLIKED}"),
    **_both(EventKind(Signal.NEUTRAL), _BEGUN),
    **_both(EventKind(Signal.WISH), _WANTED),
}
"""Kinds of event by status. What is wanted wins where a word without accents is two."""
