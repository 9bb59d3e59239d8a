### Russian. Markup: **bold**, _italic_, `code`, [words](address); "~" is a no-break space.
### The owner is not addressed where it can be avoided; clients are «вы» in lower case. Names are never inflected.

## Networks: name, name in a place, code of the topic's name

gate-telegram = Telegram
gate-telegram-business = Telegram Business
gate-whatsapp = WhatsApp
gate-messenger = Messenger
gate-instagram = Instagram
gate-email = почта
in-telegram = в~Telegram
in-telegram-business = в~Telegram
in-whatsapp = в~WhatsApp
in-messenger = в~Messenger
in-instagram = в~Instagram
in-email = в~почте
in-other = в~{ $gate }
actor-email = почтовый сервер
code-telegram = TG
code-telegram-business = TG
code-whatsapp = WA
code-messenger = FB
code-instagram = IG
code-email = @

## Lengths of time and sizes

span-seconds = { $n }~с
span-minutes = { $n }~мин
span-hours = { $n }~ч
span-days = { $n }~дн
size-b = { $n }~Б
size-kb = { $n }~КБ
size-mb = { $n }~МБ
size-gb = { $n }~ГБ

## Topic and card

topic-name = { $state }{ $gates } · { $name }
state-owner = 🟣
state-client = 🟡
state-closed = 🔒
state-blocked = 🚫
nameless = Без имени
card-title = **{ $name }**
card-title-handle = **{ $name }** · { $handle }
card-networks = { $networks }
card-networks-source = { $networks } · из ссылки «{ $source }»
card-window = Окно ответа: до { $until }
card-window-closed = Окно ответа закрыто: { $until }
card-phone = Телефон { $phone }

## What stands around a client's message

head-network = _{ $network }, { $at }_
head-client = 👤 **{ $name }** · { $network }
mark-repeat = _возможно, повтор_
mark-late = _пришло с опозданием { $delay }, отправлено { $at }_
mark-forwarded = _переслано_
mark-forwarded-often = _переслано много раз_
elsewhere = ✎{" "}
joined-line = _{ $at }_ { $text }
edited = Изменено: { $text }
edited-empty = Изменено: текста больше нет
deleted = Сообщение удалено на стороне клиента
deleted-by-owner = ✎ Сообщение удалено у клиента
reaction = { $name }: { $emoji }
reaction-back = { $name }: реакция снята
card-line = Контакт: { $details }
empty-message = Пустое сообщение

## Files

missing-photo = Фото загружается
missing-video = Видео загружается
missing-video-note = Видеосообщение загружается
missing-animation = GIF загружается
missing-audio = Аудио загружается
missing-voice = Голосовое загружается
missing-document = Файл загружается
missing-sticker = Стикер загружается
file-photo = Фото
file-video = Видео
file-video-note = Видеосообщение
file-animation = GIF
file-audio = Аудио
file-voice = Голосовое
file-document = Файл
file-sticker = Стикер
file-named = { $what } «{ $name }»
file-too-big = { $what }, { $size }: больше 50~МБ, сюда не поместится. Посмотреть можно { $where }
file-lost = { $what } не~удалось получить. Посмотреть можно { $where }

## Messages that cannot be shown

stub-line = { $what }. Посмотреть можно { $where }
stub-line-detail = { $what }: «{ $detail }». Посмотреть можно { $where }
stub-poll = Опрос
stub-dice = Бросок кубика
stub-checklist = Список задач
stub-story = История
stub-paid-media = Платное медиа
stub-invoice = Счёт
stub-game = Игра
stub-rich-message = Сообщение с оформлением
stub-gift = Подарок
stub-giveaway = Розыгрыш
stub-payment = Платёж
stub-refund = Возврат платежа
stub-passport = Данные Telegram Passport
stub-shared = Выбранные чаты или люди
stub-web-app = Данные мини-приложения
stub-order = Заказ
stub-product = Товар
stub-flow = Заполненная форма
stub-interactive = Ответ кнопкой
stub-button = Нажатая кнопка
stub-template = Шаблон
stub-call = Звонок
stub-group = Сообщение из группы
stub-system = Служебное сообщение
stub-link = Ссылка
stub-place = Место
stub-contact = Контакт
stub-photo = Фото
stub-video = Видео
stub-video-note = Видеосообщение
stub-animation = GIF
stub-audio = Аудио
stub-voice = Голосовое
stub-document = Файл
stub-sticker = Стикер
stub-ephemeral = Исчезающее сообщение
stub-unsupported = Сообщение, которое сеть сюда не передаёт
stub-unknown = Сообщение неизвестного вида
stub-other = Сообщение вида «{ $kind }»

## What became of an answer

failed-send = Не отправлено: { $why }
failed-edit = Не исправлено у клиента: { $why }
failed-delete = Не удалено у клиента: { $why }
failed-react = Реакция не поставлена: { $why }
error-code = {" "}({ $gate }~{ $code })
why-window = окно ответа закрыто
why-blocked = клиент заблокировал этот чат
why-unreachable = клиент не принимает сообщения { $where } или его там нет
why-too-big = файл больше, чем принимает { $gate }
why-too-big-limit = файл больше, чем принимает { $gate }: не~больше { $limit }
why-too-big-here = Telegram отдаёт ботам файлы не~больше 20~МБ
why-bad-media = { $gate } не принимает такой файл
why-kind = { $gate } не принимает сообщения такого вида
why-not-found = этого сообщения { $where } уже нет
why-too-old = прошло слишком много времени
why-unchanged = у клиента уже стоит тот же текст
why-not-allowed = { $gate } этого не разрешает
why-payment = { $gate } ждёт оплаты: проверьте способ оплаты в кабинете
why-parameter = { $gate } не принял запрос
why-ecosystem = { $gate } ограничивает число рассылочных сообщений этому клиенту
why-unsupported = { $gate } так не умеет
why-invalid = { $gate } не принял запрос
why-unknown = причина не названа
why-opted-out = клиент отказался от рассылочных сообщений
why-test-number = номер тестовый, а клиента нет среди разрешённых получателей
why-country = в страну клиента с этого номера писать нельзя
why-self = это собственный номер, себе отправить нельзя
why-template = шаблон не подходит: его нет, он на проверке или поля заполнены не так
why-restricted = { $gate } ограничивает этот аккаунт
why-permission = ключу доступа не хватает прав
why-token = ключ доступа больше не действует
why-gone = файл у сети больше не хранится
why-empty = пустой текст { $gate } не принимает
why-voice-forbidden = клиент запретил голосовые сообщения
why-edit-closed = время для исправления вышло
why-no-route = подключение { $gate } выключено или не разрешает отвечать
why-display-name = имя номера не одобрено
why-registration = номер не зарегистрирован
why-spam-limit = { $gate } временно ограничивает отправку: слишком много жалоб или сообщений
why-needs-number = для этого сообщения нужен номер телефона клиента
why-identity = клиент сменил устройство или номер, нужна проверка
why-expired = сутки не удавалось связаться с сетью
why-uncertain = ответ не пришёл вовремя, возможно, всё же сделано
why-silent = нет ответа
why-gate-off = { $gate } не подключён
why-temporary = { $gate } временно не работает
why-connect = нет связи
why-conflict = запущена вторая копия программы

held-hours = Не отправлено: { $hours ->
    [one] прошло больше { $hours } часа
   *[other] прошло больше { $hours } часов
  } с последнего сообщения клиента{ $code }
held-window = Не отправлено: окно ответа { $where } закрыто{ $code }
held-road = Не отправлено: подключение { $gate } выключено или не разрешает отвечать{ $code }
held-kept = Текст сохранён
parked = Уйдёт, когда клиент напишет
uncertain = Неизвестно, дошло ли: { $gate } не подтвердил отправку
unshown = Сообщение клиента не удалось показать здесь{ $code }. Оно сохранено
settled-sent = Отправлено { $where }
settled-delivered = Доставлено { $where }
settled-read = Прочитано { $where }
settled-waiting = Отправляется { $where }
settled-dropped = Не отправлено: снято с отправки
settled-failed = Не отправлено { $where }
settled-kept = Оставлено как есть
settled-fixed = Исправление уходит отдельным сообщением
settled-unknown = Неизвестно, дошло ли: оставлено как есть
cannot-edit = { $where } исправить нельзя: { $why }
cannot-delete = { $where } удалить нельзя: { $why }
cannot-react = { $where } реакцию поставить нельзя: { $why }

## Buttons

button-again = Отправить ещё раз
button-arrived = Дошло, оставить
button-when-writes = Отправить, когда клиент напишет
button-drop = Не отправлять
button-cancel = Отменить
button-retry = Повторить
button-fix = Отправить исправление
button-keep = Оставить
button-answer = Ответить
button-nobody = Никому
button-other-client = Другой клиент
button-check = Проверить
button-try-again = Попробовать снова
button-check-topics = Проверить темы
button-old = Кнопка устарела
under-way = Уже выполняется
button-owner-only = Это решает владелец пульта
button-team-add = Пустить
button-team-remove = Убрать
button-team-keep = Не надо

## Questions and answers on the desk

ask-whom = Кому это?
sent-to = Отправлено: { $name }
sent-to-nobody = Никому не отправлено
ask-text = Напишите ответ: { $name }
command-unknown = Нет команды { $command }. Клиенту ничего не отправлено
command-unknown-near = Нет команды { $command }. Может быть, { $near }? Клиенту ничего не отправлено
command-forwarded = Пересланная команда не выполнена: это чужие слова. Клиенту ничего не отправлено
needs-reply = { $command } пишется ответом на сообщение
needs-own-reply = { $command } пишется ответом на своё сообщение
needs-topic = { $command } работает в теме клиента
other-topic = Ответ ушёл клиенту этой темы, хотя цитата из другой
deleted-for-client = Удалено у клиента
taken-back = Снято с отправки, клиенту ничего не ушло

## Claim and start

claimed = Это пульт консультанта. Он привязан к этому чату
claim-ready = Готово: { $gates }
claim-missing = Не подключено: { $gates }
claim-topics-on = Темы в чате: включены, у каждого клиента будет своя
claim-topics-off = Темы в чате: выключены~— без них переписки не разделить.
claim-topics-path =
    BotFather → Open App → бот → Bot Settings → Threaded Mode: включить,
    а создание тем пользователями выключить
topics-user-created = Создание тем пользователями включено: выключите его в BotFather → Open App → бот → Bot Settings, иначе сообщение без темы откроет новую
forum-not-forum = Чат { $chat }~— не группа с темами: включите темы в настройках группы
forum-no-rights = В группе { $chat } боту нужны права администратора на управление темами
forum-unknown = Чат { $chat } не найден: добавьте в него бота
topics-lost = Темы не отвечают: сообщения клиентов идут сюда, с именем и кнопкой «Ответить». Проверка каждые 10~минут
topics-back = Темы снова работают

## Who else may use a desk that is a group

team-list = За пультом, кроме владельца: { $names }
team-list-gone =
    { $list }
    Больше не в группе, из списка убраны: { $names }
team-empty = За пультом только владелец. Чтобы пустить участника, ответьте `/team` на его сообщение
team-needs-group = Пульт~— не группа с темами, кроме владельца здесь никого. Создайте такую группу, добавьте бота и впишите её номер в `DESK_CHAT_ID`
team-owner-only = Список меняет только владелец пульта
team-owner = Владелец и так за пультом
team-not-a-person = Пустить можно только человека: не бота и не того, кто пишет от имени группы
team-nobody = Такого участника в группе нет. Добавьте его в группу и повторите `/team`
team-full = Больше { $count } человек за пульт не пустить. Уберите кого-нибудь и повторите `/team`
team-no-answer = Telegram не отвечает, список не изменён. Повторите `/team` позже
team-ask-add = Пустить за пульт: { $name }? Можно будет читать все переписки и отвечать клиентам
team-ask-remove = Убрать из-за пульта: { $name }? Отвечать клиентам будет нельзя
team-added = Теперь за пультом: { $name }
team-removed = Больше не за пультом: { $name }
team-kept = Список не изменён
team-left = { $name }: больше не в группе и не за пультом

## Clients

client-start = Здравствуйте. Напишите здесь свой вопрос~— консультант ответит в~этом же чате.
client-help = Просто напишите сообщение: его получит консультант и~ответит здесь. Команд знать не~нужно.
client-privacy = Ваши сообщения и~файлы получает и~хранит консультант. Чтобы их удалили, напишите об~этом в~этот чат.

## Help

help-owner =
    Одна тема~— один клиент. Текст в теме уходит клиенту, в общий чат~— никому
    Всё, что начинается с `/`, остаётся здесь. `/ текст` и `//текст`~— заметка для себя 🙈
    Ответ на сообщение клиента уходит с цитатой
    Исправление своего сообщения исправит его и у клиента, где сеть это умеет
    ✍ ждёт · 🕊 отправлено · 👌 доставлено · 👀 прочитано · 🤔 неизвестно · 💔 не отправлено
    Telegram и почта останавливаются на 🕊, Instagram переходит с 🕊 сразу на 👀
help-all = Все команды
help-line = /{ $command }~— { $description }
command-help = что умеет пульт, или подробно об одной команде
command-status = сети, очередь, выгрузка, копия, версия
command-start = начало: что подключено и что нет
command-del = удалить своё сообщение у клиента
command-react = реакция на сообщение клиента
command-find = поиск по клиентам и сообщениям
command-history = переписка с клиентом, все сети вместе
command-backup = сделать резервную копию сейчас
command-team = кто ещё может отвечать клиентам
menu-start = начать разговор
menu-help = как здесь писать
menu-privacy = что хранится и как это удалить
about-help =
    `/help`~— шесть строк о пульте и список команд
    `/help del`~— подробно об одной команде
about-status =
    `/status`~— что требует внимания и что ждёт; остальное (сети, приём, выгрузка, копия, версия) свёрнуто
about-start =
    `/start`~— что подключено, что нет и как включить темы
about-del =
    `/del` ответом на своё сообщение~— удаляет его у клиента, если сеть это умеет
    Ещё не отправленное снимается с отправки
about-react =
    `/react 👍` ответом на сообщение клиента~— ставит реакцию у клиента, если сеть это умеет
    `/react` без эмодзи~— снимает её. Своя реакция на сообщение делает то же
about-find =
    `/find консультация`~— ищет это слово во всех его формах, сначала новое; в теме клиента~— только у него
    `/find конс*`~— слова с таким началом, `/find «новая цена»`~— точно эти слова подряд
    `/find Анна`, `/find 0143`~— клиенты по имени, нику или цифрам телефона
    Цифра под списком отвечает на найденное сообщение в теме клиента
about-history =
    `/history`~— последние 30 сообщений клиента из всех сетей, `/history 50`~— последние 50
    Заметки и автоматические ответы тоже там
about-backup =
    `/backup`~— делает копию базы сейчас, проверяет её и говорит, где она лежит
    Сама собой копия делается раз в час, если что-то изменилось. Хранятся 24 часовые, 7 дневных и 4 недельные
about-team =
    `/team` ответом на сообщение участника группы или `/team 123456789`~— пустить его за пульт, ещё раз~— убрать
    `/team`~— кто за пультом, кроме владельца. Менять список может только владелец

## Search and history

find-head = **Поиск** · «{ $query }» · { $where }
find-everywhere = везде
find-clients = Клиенты: { $names }
find-wider = Точно этого слова нет, показаны слова с таким началом
find-hit = **{ $number }. { $name }** · { $network } · { $at }{ $marks }
    { $text }
find-nothing = Ничего не нашлось. Попробуйте другое слово или только его начало: `конс*`
find-no-messages = В сообщениях ничего не нашлось
find-no-more = Больше ничего не нашлось
find-too-many = Просмотрено не всё: слишком много похожего. Уточните запрос или смотрите дальше
find-here = 🔎 Найденное сообщение
find-here-words = 🔎 Найденное сообщение, { $at }: { $text }
find-client-here = 🔎 Найденный клиент
find-opened = Показано в теме клиента
find-opened-before = Уже показано в теме клиента
history-head = **Переписка** · { $name }
history-empty = Сообщений пока нет
history-day = **{ $day }**
history-line = { $at } { $network }{ $who }: { $text }
who-owner = ответ
who-elsewhere = ответ в самой сети
who-auto = автоответ
who-note = заметка
mark-edited = (исправлено)
mark-deleted = (удалено)
button-older = Раньше
button-newer = Позже
button-everywhere = Искать везде
button-this-client = Только этот клиент

## Status

status-wrong = **Требует внимания**
status-well = **Всё работает**
status-head = Работает { $uptime } · версия { $version }
status-gate-on = { $gate } ✓
status-gate-trouble = { $gate } ✗ { $why }
status-gates-off = Не подключено: { $gates }
status-gate-incomplete = { $gate }~— не хватает { $settings }
status-gate-blocked = { $gate } ✗ просит подождать { $wait }
status-desk-blocked = Пульт ✗ Telegram просит подождать { $wait }
status-desk-private = Пульт: темы в личном чате
status-desk-forum = Пульт: группа с темами
status-desk-reply = Пульт: без тем, ответами на сообщения
status-desk-unclaimed = Пульт ещё не привязан
status-new = Приняты, но не разобраны: { $count }, дольше всего { $wait }
status-queue-empty = Очередь пуста
status-queue-desk = Ждут показа здесь: { $count }, дольше всего { $wait }{ $who }
status-queue-gate = Ждут отправки { $where }: { $count }, дольше всего { $wait }{ $who }
status-uncertain = Неизвестно, дошло ли: { $count }. Кнопки под этими ответами, в темах
status-parked = Отложены до решения: { $count }
status-stuck = Не уходят из-за ошибки в программе: { $count }
status-broken-jobs = Ошибка в программе, повтор при запуске: { $count }
status-quarantined = Непонятые данные от сетей: { $count } ({ $gates })
status-hook-error = Telegram не смог доставить сюда { $at }: { $error }
status-hook-pending = Ждут в самом Telegram: { $count }
status-last = { $gate }: последнее событие { $at }
status-ack = Приём за 5~мин: половина до { $quick }~мс, 99~из~100 до { $slow }~мс
status-export = Выгрузка ✓ отставание { $lag }
status-export-behind = Выгрузка ✗ отстаёт на { $lag }, событий: { $count }
status-export-failing = Выгрузка ✗ приёмник не отвечает с { $since }
status-export-stopped = Выгрузка ✗ приёмник отказался принимать
status-backup = Копия: { $at }, { $size }
status-backup-old = Копия старая: { $at }
status-backup-none = Копии ещё нет
status-backup-failed = Копия ✗ новая не сделана: { $why }
status-disk = Данные { $size }, свободно { $free }
status-disk-low = Мало места: свободно { $free }

## Troubles and what else the product says by itself

backlog = { $messages ->
    [one] { $messages } сообщение
    [few] { $messages } сообщения
   *[many] { $messages } сообщений
  } от { $clients ->
    [one] { $clients } клиента
   *[other] { $clients } клиентов
  }, разбираю
backlog-names = Первыми ждут: { $names }
backlog-done = Все сообщения показаны
quarantined = { $count ->
    [one] { $gate }: пришло { $count } сообщение непонятного вида
    [few] { $gate }: пришло { $count } сообщения непонятного вида
   *[many] { $gate }: пришло { $count } сообщений непонятного вида
  } (`{ $shape }`). Сохранено, будет разобрано после обновления
quarantined-again = { $count ->
    [one] { $gate }: { $count } сообщение непонятного вида разбирается снова
    [few] { $gate }: { $count } сообщения непонятного вида разбираются снова
   *[many] { $gate }: { $count } сообщений непонятного вида разбираются снова
  }. Что станет понятно, появится в темах
quarantined-road = { $gate }: пришло сообщение из личных чатов раньше, чем стало известно подключение. Сохранено, будет показано вместе с ним
trouble = **{ $gate } не работает с { $since }**
trouble-why = Причина: { $why }
trouble-waiting = { $count ->
    [0] Отправки никто не ждёт
    [one] Ждёт отправки: { $count } сообщение~— уйдёт само после починки
    [few] Ждут отправки: { $count } сообщения~— уйдут сами после починки
   *[many] Ждут отправки: { $count } сообщений~— уйдут сами после починки
  }
recovered = { $gate } снова работает · простой { $down }
road-open = Telegram Business подключён: ответы уходят из личного аккаунта
road-no-reply = Telegram Business подключён без права отвечать. Включите: Telegram → Настройки → Telegram для бизнеса → Чат-боты
road-closed = Telegram Business отключён: ответить в эти чаты отсюда нельзя. Сообщения сохранены
export-stopped = Выгрузка остановлена: приёмник «{ $sink }» отказался принимать (410). Файлы выгрузки пишутся дальше
export-given-up = Выгрузка: событие { $event } приёмник «{ $sink }» не принял за трое суток, оно пропущено. В файле оно есть
disk-full = Диск не принимает данные: новые сообщения ждут у сетей. Освободите место
disk-stuck = Диск не принимает данные: новые сообщения ждут у сетей. Что мешает, скажет команда `doctor` на сервере
disk-low = На диске осталось { $size }. Освободите место, иначе новые сообщения будут ждать у сетей
disk-back = Диск снова принимает данные
backup-begun = Копия делается
backup-made = Копия сделана и проверена: { $at }, { $size }
    `{ $path }`
    { $count ->
        [one] Хранится { $count } копия
        [few] Хранятся { $count } копии
       *[many] Хранится { $count } копий
    }
backup-failed = **Копия не сделана**
backup-why = Причина: { $why }
backup-why-room = на диске мало места
backup-why-room-sizes = на диске мало места~— нужно { $need }, свободно { $free }. Освободите место
backup-why-broken = копия не прошла проверку, база может быть повреждена. Команда `doctor` на сервере скажет больше
backup-why-slow = диск слишком медленный, за час копия не закончена
backup-why-other = файл не записан ({ $code })
backup-last = Последняя копия: { $at }
backup-last-none = Других копий нет
client-blocked = { $name }: бот заблокирован клиентом, ответы не дойдут
client-back = { $name }: бот снова разблокирован
stranger-member = Это сообщение никому не ушло: автор не в списке тех, кому можно отвечать клиентам
stranger-connection = К боту подключился чужой Telegram Business: его сообщения не принимаются
stranger-chat = Бота добавили в чат «{ $chat }»: сообщения оттуда не принимаются
