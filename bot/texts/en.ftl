### English. The same ids and values as the Russian file; the markup is described there.

## Networks: name, name in a place, code of the topic's name

gate-telegram = Telegram
gate-telegram-business = Telegram Business
gate-whatsapp = WhatsApp
gate-messenger = Messenger
gate-instagram = Instagram
gate-email = e-mail
in-telegram = in Telegram
in-telegram-business = in Telegram
in-whatsapp = in WhatsApp
in-messenger = in Messenger
in-instagram = in Instagram
in-email = in the mailbox
in-other = in { $gate }
actor-email = the mail server
code-telegram = TG
code-telegram-business = TG
code-whatsapp = WA
code-messenger = FB
code-instagram = IG
code-email = @

## Lengths of time and sizes

span-seconds = { $n }~s
span-minutes = { $n }~min
span-hours = { $n }~h
span-days = { $n }~d
size-b = { $n }~B
size-kb = { $n }~KB
size-mb = { $n }~MB
size-gb = { $n }~GB

## Topic and card

topic-name = { $state }{ $gates } · { $name }
state-owner = 🟣
state-client = 🟡
state-closed = 🔒
state-blocked = 🚫
nameless = No name
card-title = **{ $name }**
card-title-handle = **{ $name }** · { $handle }
card-networks = { $networks }
card-networks-source = { $networks } · from the link “{ $source }”
card-window = Reply window: until { $until }
card-window-closed = Reply window closed: { $until }
card-phone = Phone { $phone }

## What stands around a client's message

head-network = _{ $network }, { $at }_
head-client = 👤 **{ $name }** · { $network }
mark-repeat = _possibly a repeat_
mark-late = _came { $delay } late, sent { $at }_
mark-forwarded = _forwarded_
mark-forwarded-often = _forwarded many times_
elsewhere = ✎{" "}
joined-line = _{ $at }_ { $text }
edited = Edited: { $text }
edited-empty = Edited: the text is gone
deleted = The client deleted this message
deleted-by-owner = ✎ Deleted at the client’s side
reaction = { $name }: { $emoji }
reaction-back = { $name }: reaction taken back
card-line = Contact: { $details }
empty-message = Empty message

## Files

missing-photo = Photo is loading
missing-video = Video is loading
missing-video-note = Video message is loading
missing-animation = GIF is loading
missing-audio = Audio is loading
missing-voice = Voice message is loading
missing-document = File is loading
missing-sticker = Sticker is loading
file-photo = Photo
file-video = Video
file-video-note = Video message
file-animation = GIF
file-audio = Audio
file-voice = Voice message
file-document = File
file-sticker = Sticker
file-named = { $what } “{ $name }”
file-too-big = { $what }, { $size }: over 50~MB, too big for this chat. You can see it { $where }
file-lost = { $what } could not be fetched. You can see it { $where }

## Messages that cannot be shown

stub-line = { $what }. You can see it { $where }
stub-line-detail = { $what }: “{ $detail }”. You can see it { $where }
stub-poll = Poll
stub-dice = Dice
stub-checklist = Checklist
stub-story = Story
stub-paid-media = Paid media
stub-invoice = Invoice
stub-game = Game
stub-rich-message = Rich message
stub-gift = Gift
stub-giveaway = Giveaway
stub-payment = Payment
stub-refund = Refund
stub-passport = Telegram Passport data
stub-shared = Chosen chats or people
stub-web-app = Mini app data
stub-order = Order
stub-product = Product
stub-flow = Filled-in form
stub-interactive = Answer by button
stub-button = Tapped button
stub-template = Template
stub-call = Call
stub-group = Message from a group
stub-system = System message
stub-link = Link
stub-place = Place
stub-contact = Contact
stub-photo = Photo
stub-video = Video
stub-video-note = Video message
stub-animation = GIF
stub-audio = Audio
stub-voice = Voice message
stub-document = File
stub-sticker = Sticker
stub-ephemeral = Disappearing message
stub-unsupported = A message that the network does not pass on
stub-unknown = A message of an unknown kind
stub-other = A message of the kind “{ $kind }”

## What became of an answer

failed-send = Not sent: { $why }
failed-edit = Not edited at the client’s side: { $why }
failed-delete = Not deleted at the client’s side: { $why }
failed-react = Reaction not set: { $why }
error-code = {" "}({ $gate }~{ $code })
why-window = the reply window is closed
why-blocked = the client has blocked this chat
why-unreachable = the client takes no messages { $where } or is not there
why-too-big = the file is bigger than { $gate } takes
why-too-big-limit = the file is bigger than { $gate } takes: { $limit } at most
why-too-big-here = Telegram hands bots files of 20~MB at most
why-bad-media = { $gate } does not take such a file
why-kind = { $gate } does not take messages of this kind
why-not-found = this message is no longer { $where }
why-too-old = too much time has passed
why-unchanged = the client already has the same text
why-not-allowed = { $gate } does not allow it
why-payment = { $gate } waits for a payment: check the payment method in the account
why-parameter = { $gate } did not take the request
why-ecosystem = { $gate } limits marketing messages to this client
why-unsupported = { $gate } cannot do that
why-invalid = { $gate } did not take the request
why-unknown = no reason is given
why-opted-out = the client has opted out of marketing messages
why-test-number = the number is a test one, and the client is not among its allowed recipients
why-country = this number may not write to the client’s country
why-self = this is your own number, it cannot be written to
why-template = the template does not fit: missing, under review, or filled in wrongly
why-restricted = { $gate } restricts this account
why-permission = the access key lacks permissions
why-token = the access key is no longer valid
why-gone = the network no longer keeps the file
why-empty = { $gate } does not take an empty text
why-voice-forbidden = the client has forbidden voice messages
why-edit-closed = the time for editing is over
why-no-route = the { $gate } connection is off or does not allow replies
why-display-name = the number’s display name is not approved
why-registration = the number is not registered
why-spam-limit = { $gate } limits sending for a while: too many complaints or messages
why-needs-number = this message needs the client’s phone number
why-identity = the client changed device or number and must be verified
why-expired = the network could not be reached for a day
why-uncertain = no answer came in time, it may have been done
why-silent = no answer
why-gate-off = { $gate } is not connected
why-temporary = { $gate } is down for a while
why-connect = no connection
why-conflict = a second copy of the program is running

held-hours = Not sent: { $hours ->
    [one] more than { $hours } hour has passed
   *[other] more than { $hours } hours have passed
  } since the client’s last message{ $code }
held-window = Not sent: the reply window { $where } is closed{ $code }
held-road = Not sent: the { $gate } connection is off or does not allow replies{ $code }
held-kept = The text is kept
parked = Leaves when the client writes
uncertain = Unknown whether it arrived: { $gate } did not confirm it
unshown = A client’s message could not be shown here{ $code }. It is kept
settled-sent = Sent { $where }
settled-delivered = Delivered { $where }
settled-read = Read { $where }
settled-waiting = Being sent { $where }
settled-dropped = Not sent: taken back
settled-failed = Not sent { $where }
settled-kept = Left as it is
settled-fixed = The correction goes as a message of its own
settled-unknown = Unknown whether it arrived: left as it is
cannot-edit = { $where } this cannot be edited: { $why }
cannot-delete = { $where } this cannot be deleted: { $why }
cannot-react = { $where } a reaction cannot be set: { $why }

## Buttons

button-again = Send again
button-arrived = It arrived, leave it
button-when-writes = Send when the client writes
button-drop = Do not send
button-cancel = Cancel
button-retry = Retry
button-fix = Send a correction
button-keep = Leave it
button-answer = Reply
button-nobody = Nobody
button-other-client = Another client
button-check = Check
button-try-again = Try again
button-check-topics = Check topics
button-old = This button is outdated
under-way = Already under way
button-owner-only = The owner of the console decides this
button-team-add = Let in
button-team-remove = Remove
button-team-keep = Leave it

## Questions and answers on the desk

ask-whom = Who is this for?
sent-to = Sent: { $name }
sent-to-nobody = Sent to nobody
ask-text = Write the reply: { $name }
command-unknown = No command { $command }. Nothing was sent to the client
command-unknown-near = No command { $command }. Did you mean { $near }? Nothing was sent to the client
command-forwarded = A forwarded command was not carried out: those are somebody else’s words. Nothing was sent to the client
needs-reply = { $command } is written as a reply to a message
needs-own-reply = { $command } is written as a reply to your own message
needs-topic = { $command } works in a client’s topic
other-topic = The answer went to the client of this topic, although the quote is from another
deleted-for-client = Deleted at the client’s side
taken-back = Taken back, nothing went to the client

## Claim and start

claimed = This is the consultant’s console. It is bound to this chat
claim-ready = Ready: { $gates }
claim-missing = Not connected: { $gates }
claim-topics-on = Topics in this chat: on, every client will have one
claim-topics-off = Topics in this chat: off~— without them conversations cannot be kept apart.
claim-topics-path =
    BotFather → Open App → the bot → Bot Settings → Threaded Mode: switch on,
    and switch off the creation of topics by users
topics-user-created = Users may create topics: switch that off in BotFather → Open App → the bot → Bot Settings, otherwise a message outside topics opens a new one
forum-not-forum = Chat { $chat } is not a group with topics: switch topics on in the group’s settings
forum-no-rights = In the group { $chat } the bot needs to be an administrator who may manage topics
forum-unknown = Chat { $chat } was not found: add the bot to it
topics-lost = Topics do not answer: clients’ messages come here, with a name and the button “Reply”. Checking every 10~minutes
topics-back = Topics work again

## Who else may use a desk that is a group

team-list = At the console, besides the owner: { $names }
team-list-gone =
    { $list }
    No longer in the group, taken off the list: { $names }
team-empty = Only the owner is at the console. To let a member in, reply to their message with `/team`
team-needs-group = The console is not a group with topics, there is nobody here but the owner. Make such a group, add the bot and put its number into `DESK_CHAT_ID`
team-owner-only = Only the owner of the console changes the list
team-owner = The owner is at the console anyway
team-not-a-person = Only a person can be let in: neither a bot nor somebody who writes in the group’s name
team-nobody = There is no such member in the group. Add them to the group and repeat `/team`
team-full = No more than { $count } people fit at the console. Remove somebody and repeat `/team`
team-no-answer = Telegram does not answer, the list is as it was. Repeat `/team` later
team-ask-add = Let in: { $name }? They will read all conversations and answer clients
team-ask-remove = Remove: { $name }? They will not be able to answer clients
team-added = Now at the console: { $name }
team-removed = No longer at the console: { $name }
team-kept = The list is as it was
team-left = { $name }: no longer in the group, nor at the console

## Clients

client-start = Hello. Write your question here~— the consultant will answer in this chat.
client-help = Just write a message: the consultant will get it and answer here. No commands are needed.
client-privacy = The consultant receives and keeps your messages and files. To have them deleted, write so in this chat.

## Help

help-owner =
    One topic is one client. Text in a topic goes to the client, in the general chat to nobody
    Whatever begins with `/` stays here. `/ text` and `//text` are notes for yourself 🙈
    A reply to a client’s message goes with the quote
    Editing your message edits it at the client’s side too, where the network can
    ✍ waiting · 🕊 sent · 👌 delivered · 👀 read · 🤔 unknown · 💔 not sent
    Telegram and e-mail stop at 🕊, Instagram goes from 🕊 straight to 👀
help-all = All commands
help-line = /{ $command }~— { $description }
command-help = what the console does, or more about one command
command-status = networks, queue, export, backup, version
command-start = the beginning: what is connected and what is not
command-del = delete your message at the client’s side
command-react = react to a client’s message
command-find = search clients and messages
command-history = the conversation with a client, all networks together
command-backup = make a backup now
command-team = who else may answer clients
menu-start = start the conversation
menu-help = how to write here
menu-privacy = what is kept and how to have it deleted
about-help =
    `/help`~— six lines about the console and the list of commands
    `/help del`~— more about one command
about-status =
    `/status`~— what needs attention and what waits; the rest (networks, intake, export, backup, version) is folded
about-start =
    `/start`~— what is connected, what is not, and how to switch topics on
about-del =
    `/del` as a reply to your message deletes it at the client’s side, where the network can
    What has not left yet is taken back
about-react =
    `/react 👍` as a reply to a client’s message reacts at the client’s side, where the network can
    `/react` without an emoji takes it back. Your own reaction on the message does the same
about-find =
    `/find meeting` looks for the word in all its forms, newest first; in a client’s topic, for this client only
    `/find meet*` finds words that begin so, `/find “new price”` exactly these words in a row
    `/find Anna`, `/find 0143` find clients by name, handle or digits of the phone
    The number under the list answers the found message in the client’s topic
about-history =
    `/history` shows the client’s last 30 messages of all networks, `/history 50` the last 50
    Notes and automatic answers are there too
about-backup =
    `/backup`~— makes a copy of the database now, checks it and says where it lies
    By itself a copy is made once an hour if anything has changed. Kept are 24 hourly, 7 daily and 4 weekly ones
about-team =
    `/team` as a reply to a message of the group’s member, or `/team 123456789`, lets them in; the same again removes
    `/team` alone says who is at the console besides the owner. Only the owner changes the list

## Search and history

find-head = **Search** · “{ $query }” · { $where }
find-everywhere = everywhere
find-clients = Clients: { $names }
find-wider = Not this very word: these are words that begin so
find-hit = **{ $number }. { $name }** · { $network } · { $at }{ $marks }
    { $text }
find-nothing = Nothing was found. Try another word, or only its beginning: `meet*`
find-no-messages = Nothing was found in messages
find-no-more = Nothing more was found
find-too-many = Not everything was looked through: too much is alike. Narrow the words, or go on
find-here = 🔎 The message that was found
find-here-words = 🔎 The message that was found, { $at }: { $text }
find-client-here = 🔎 The client that was found
find-opened = Shown in the client’s topic
find-opened-before = Already shown in the client’s topic
history-head = **Conversation** · { $name }
history-empty = No messages yet
history-day = **{ $day }**
history-line = { $at } { $network }{ $who }: { $text }
who-owner = answer
who-elsewhere = answer in the network itself
who-auto = automatic answer
who-note = note
mark-edited = (edited)
mark-deleted = (deleted)
button-older = Earlier
button-newer = Later
button-everywhere = Search everywhere
button-this-client = This client only

## Status

status-wrong = **Needs attention**
status-well = **All is well**
status-head = Up { $uptime } · version { $version }
status-gate-on = { $gate } ✓
status-gate-trouble = { $gate } ✗ { $why }
status-gates-off = Not connected: { $gates }
status-gate-incomplete = { $gate }~— missing { $settings }
status-gate-blocked = { $gate } ✗ asks to wait { $wait }
status-desk-blocked = Desk ✗ Telegram asks to wait { $wait }
status-desk-private = Desk: topics in the private chat
status-desk-forum = Desk: group with topics
status-desk-reply = Desk: no topics, by replies
status-desk-unclaimed = The desk is not claimed yet
status-new = Taken but not sorted yet: { $count }, the longest { $wait }
status-queue-empty = The queue is empty
status-queue-desk = Waiting to be shown here: { $count }, the longest { $wait }{ $who }
status-queue-gate = Waiting to be sent { $where }: { $count }, the longest { $wait }{ $who }
status-uncertain = Unknown whether it arrived: { $count }. The buttons are under those answers, in the topics
status-parked = Set aside until decided: { $count }
status-stuck = Held by a fault of the program: { $count }
status-broken-jobs = A fault of the program, tried again at the next start: { $count }
status-quarantined = Data from networks not understood: { $count } ({ $gates })
status-hook-error = Telegram could not deliver here { $at }: { $error }
status-hook-pending = Waiting at Telegram itself: { $count }
status-last = { $gate }: last event { $at }
status-ack = Taken in 5~min: half within { $quick }~ms, 99~of~100 within { $slow }~ms
status-export = Export ✓ lag { $lag }
status-export-behind = Export ✗ behind by { $lag }, events: { $count }
status-export-failing = Export ✗ the receiver has not answered since { $since }
status-export-stopped = Export ✗ the receiver refuses to take it
status-backup = Backup: { $at }, { $size }
status-backup-old = The backup is old: { $at }
status-backup-none = No backup yet
status-backup-failed = Backup ✗ no new one was made: { $why }
status-disk = Data { $size }, free { $free }
status-disk-low = Little room: { $free } free

## Troubles and what else the product says by itself

backlog = { $messages ->
    [one] { $messages } message
   *[other] { $messages } messages
  } from { $clients ->
    [one] { $clients } client
   *[other] { $clients } clients
  }, working through them
backlog-names = Waiting first: { $names }
backlog-done = All messages are shown
quarantined = { $count ->
    [one] { $gate }: { $count } message of an unknown shape came
   *[other] { $gate }: { $count } messages of an unknown shape came
  } (`{ $shape }`). Kept, to be read after an update
quarantined-again = { $count ->
    [one] { $gate }: { $count } message of an unknown shape is being read again
   *[other] { $gate }: { $count } messages of an unknown shape are being read again
  }. What is understood now appears in the topics
quarantined-road = { $gate }: a message of personal chats came before their connection was known. It is kept and will be shown with it
trouble = **{ $gate } has not worked since { $since }**
trouble-why = Reason: { $why }
trouble-waiting = { $count ->
    [0] Nothing waits to be sent
    [one] { $count } message waits to be sent and will go by itself once this is mended
   *[other] { $count } messages wait to be sent and will go by themselves once this is mended
  }
recovered = { $gate } works again · down for { $down }
road-open = Telegram Business is connected: answers go out from the personal account
road-no-reply = Telegram Business is connected without the right to reply. Switch it on: Telegram → Settings → Telegram Business → Chatbots
road-closed = Telegram Business is disconnected: those chats cannot be answered from here. Messages are kept
export-stopped = The export has ended: the receiver “{ $sink }” refuses to take it (410). The export’s files go on
export-given-up = Export: the receiver “{ $sink }” did not take event { $event } in three days, it is skipped. It is in the file
disk-full = The disk does not take data: new messages wait at the networks. Free some space
disk-stuck = The disk does not take data: new messages wait at the networks. On the server, the command `doctor` says what is in the way
disk-low = { $size } left on the disk. Free some space, or new messages will wait at the networks
disk-back = The disk takes data again
backup-begun = The backup is being made
backup-made = Backup made and checked: { $at }, { $size }
    `{ $path }`
    { $count ->
        [one] { $count } backup is kept
       *[other] { $count } backups are kept
    }
backup-failed = **The backup was not made**
backup-why = Reason: { $why }
backup-why-room = too little room on the disk
backup-why-room-sizes = too little room on the disk~— { $need } needed, { $free } free. Free some space
backup-why-broken = the copy did not pass its check, the database may be damaged. The command `doctor` on the server says more
backup-why-slow = the disk is too slow, the copy was not finished within an hour
backup-why-other = the file was not written ({ $code })
backup-last = The last backup: { $at }
backup-last-none = There is no other backup
client-blocked = { $name }: the client has blocked the bot, answers will not arrive
client-back = { $name }: the bot is no longer blocked
stranger-member = This message went to nobody: its author is not listed among those who may answer clients
stranger-connection = Somebody else’s Telegram Business was connected to the bot: its messages are not taken
stranger-chat = The bot was added to the chat “{ $chat }”: messages from there are not taken
