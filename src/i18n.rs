//! Every sentence a visitor may read, in English and Simplified Chinese, and which of the two a visitor gets.

use serde_json::{Map, Value};

use crate::http::accept::best_language;

/// One text in both languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    en: &'static str,
    zh: &'static str,
}

impl Text {
    /// The text as a reader of `language` should see it.
    pub fn in_(self, language: Language) -> &'static str {
        match language {
            Language::English => self.en,
            Language::Chinese => self.zh,
        }
    }
}

/// The languages the pages speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    English,
    Chinese,
}

impl Language {
    /// The visitor's choice (the `lang` cookie) when it is one of ours, else the browser's (`Accept-Language`), else
    /// English.
    pub fn pick(cookie: Option<&str>, accept_language: Option<&str>) -> Language {
        let accepted = || best_language(accept_language?, &["en", "zh"]).and_then(Language::named);
        cookie.and_then(Language::named).or_else(accepted).unwrap_or(Language::English)
    }

    /// The language that `?lang=` and the `lang` cookie mean by `name`.
    pub fn named(name: &str) -> Option<Language> {
        [Language::English, Language::Chinese].into_iter().find(|language| language.name() == name)
    }

    /// The short name in `?lang=` and in the cookie.
    pub fn name(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Chinese => "zh",
        }
    }

    /// The code for an HTML `lang` attribute.
    pub fn code(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Chinese => "zh-CN",
        }
    }

    /// What the language switch leads to.
    pub fn other(self) -> Language {
        match self {
            Language::English => Language::Chinese,
            Language::Chinese => Language::English,
        }
    }
}

/// The text behind `{{ t.key }}`: the key is the constant's name in lower case.
pub fn named(key: &str) -> Option<Text> {
    TEXTS.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, text)| *text)
}

/// The texts for the page's scripts (names beginning with `JS_`, without that and in lower case), as a JSON object.
///
/// `<` is written as an escape, so that the object can stand inside a `<script>` element.
pub fn scripts_json(language: Language) -> String {
    let texts: Map<String, Value> = TEXTS
        .iter()
        .filter_map(|(name, text)| {
            Some((name.strip_prefix("JS_")?.to_lowercase(), text.in_(language).into()))
        })
        .collect();
    Value::Object(texts).to_string().replace('<', "\\u003c")
}

/// Declares a constant for each text, and `TEXTS`, the table of them all by name.
macro_rules! texts {
    ($($name:ident => $en:literal, $zh:literal;)*) => {
        $(pub const $name: Text = Text { en: $en, zh: $zh };)*
        const TEXTS: &[(&str, Text)] = &[$((stringify!($name), $name)),*];
    };
}

// The chat page.
texts! {
    SKIP => "Skip to the message box", "跳到输入框";
    SEARCH => "Search messages", "搜索消息";
    HERE => "here", "人在线";
    MENU => "Menu", "菜单";
    HISTORY => "Conversation", "聊天记录";
    OLDER => "Older messages", "更早的消息";
    MESSAGES => "Messages", "消息";
    EMPTY => "Nothing here yet. Say hello.", "还没有消息，打个招呼吧。";
    RESULTS => "Search results", "搜索结果";
    CLOSE => "Close", "关闭";
    NOTHING => "Nothing found.", "没有找到。";
    MORE_RESULTS => "More results", "更多结果";
    PEOPLE => "People here", "在线的人";
    SIGNED_IN => "You are", "你是";
    SOUND => "Sound", "提示音";
    NOTIFY => "Notifications", "桌面通知";
    OTHER_LANGUAGE => "中文", "English";
    LEAVE => "Leave", "离开";
    TRY_NOW => "Try now", "立即重试";
    EDITING => "Editing your message.", "正在编辑你的消息。";
    CANCEL => "Cancel", "取消";
    MESSAGE => "Message", "消息内容";
    SEND => "Send", "发送";
    SAVE => "Save", "保存";
    REFRESH => "Refresh", "刷新";
    EDITED => "edited", "已编辑";
    MORE => "More: edit or delete", "更多：编辑或删除";
    EDIT => "Edit", "编辑";
    DELETE => "Delete", "删除";

    // What the chat page's scripts say.
    JS_YOU => "(you)", "（你）";
    JS_TODAY => "Today", "今天";
    JS_YESTERDAY => "Yesterday", "昨天";
    JS_DELETED => "This message was deleted.", "这条消息已删除。";
    JS_SENDING => "sending…", "发送中…";
    JS_FAILED => "Not sent.", "未发送。";
    JS_RETRY => "Retry", "重试";
    JS_SEND => "Send", "发送";
    JS_SAVE => "Save", "保存";
    JS_LEFT => "{n} left", "还可输入 {n} 字";
    JS_TOO_LONG => "This is too long for one message; shorten it a little.", "消息太长，请缩短一些。";
    JS_UNSENT => "The server cannot be reached; try again in a moment.", "暂时无法连接服务器，请稍后再试。";
    JS_NEW_ONE => "1 new message", "1 条新消息";
    JS_NEW_MANY => "{n} new messages", "{n} 条新消息";
    JS_NEWEST => "Jump to the newest", "跳到最新消息";
    JS_UNREAD => "New", "新消息";
    JS_TYPING_ONE => "{name} is typing…", "{name} 正在输入…";
    JS_TYPING_MANY => "Several people are typing…", "好几个人正在输入…";
    JS_RECONNECTING => "Reconnecting…", "正在重新连接…";
    JS_NEXT_TRY => "Next try in {n} s.", "{n} 秒后重试。";
    JS_FULL => "The room is full; waiting for a place.", "聊天室已满，正在等待空位。";
    JS_INSECURE => "The browser allows notifications only over https or on localhost.", "浏览器只在 https 或 localhost 下允许通知。";
    JS_DENIED => "The browser blocks notifications from this page; allow them in its site settings.", "浏览器已阻止本页通知，请在网站设置中允许。";
    JS_GONE => "That message is no longer there.", "那条消息已不在了。";

    // The lobby.
    WELCOME => "Choose a name and join the conversation.", "起个名字，加入聊天。";
    DRAFT_KEPT => "You were signed out. What you were writing is kept.", "你已退出登录，未发送的内容仍保留着。";
    NAME => "Name", "名字";
    NAME_HINT => "Leave the name empty and you are given one.", "名字留空会为你取一个。";
    PASSPHRASE => "Passphrase", "口令";
    JOIN => "Join", "加入";
    JOIN_AS => "Join as", "改名加入：";
    SURPRISE => "Surprise me", "随便取一个";

    // The administrator's pages.
    ADMIN => "Administration", "管理";
    ADMIN_ENTER => "Sign in", "登录";
    ADMIN_LEAVE => "Sign out", "退出管理";
    SKIP_BODY => "Skip to the content", "跳到正文";
    TOKEN => "Token", "令牌";
    TOKEN_HINT => "The server printed a link with it when it started.", "服务器启动时打印的链接里有它。";
    AUTHORS => "Authors", "作者";
    FIGURES => "Figures", "数据";
    FIGURE => "Figure", "项目";
    VALUE => "Value", "数值";
    BACKUP => "Backup", "备份";
    DELETE_ALL_BY => "Delete all by this author", "删除该作者的全部消息";
    DELETE_MESSAGES => "Delete messages", "删除消息";
    DELETE_AUTHOR => "Delete author…", "删除作者…";
    CONFIRM_DELETE => "Delete", "确认删除";
    NO_UNDO => "This cannot be undone.", "此操作无法撤销。";
    CONFIRM_AUTHOR => "Delete the author {name} and all their messages?", "删除作者 {name} 及其全部消息？";
    CONFIRM_MESSAGES => "Delete all messages by {name}?", "删除 {name} 的全部消息？";
    NEW_NAME => "New name", "新名字";
    RENAME => "Rename", "改名";
    NO_AUTHORS => "Nobody has written anything yet.", "还没有人写过消息。";
    NEXT_PAGE => "Next page", "下一页";
    NOBODY => "Nobody is here.", "没有人在线。";
    MINUTES => "Minutes", "分钟";
    KICK => "End session", "结束会话";
    BLOCK => "Block", "封禁";
    BLOCKED => "Blocked names", "被封禁的名字";
    DONE_DELETED => "Deleted.", "已删除。";
    DONE_RENAMED => "Renamed.", "已改名。";
    DONE_KICKED => "The session has ended.", "会话已结束。";
    DONE_BLOCKED => "The name is blocked.", "名字已封禁。";
    DONE_LIFTED => "The block is lifted.", "已解除封禁。";
    LIFT => "Lift", "解除";
    UNTIL => "until", "直到";
    FIGURE_STREAMS => "Open streams", "打开的消息流";
    FIGURE_CONNECTIONS => "Other connections", "其他连接";
    FIGURE_SESSIONS => "Sessions", "会话";
    FIGURE_SIZE => "Database", "数据库大小";
    FIGURE_UPTIME => "Running for", "已运行";
    FIGURE_VERSION => "Version", "版本";

    // What went wrong, each a sentence that says what to do.
    BACK => "Back to the chat", "回到聊天";
    ERR_NAME_EMPTY => "Type a name of at least one visible character, or leave it empty to be given one.", "请输入至少一个可见字符，或留空由我们取名。";
    ERR_NAME_TOO_LONG => "This name is too long; use 500 characters or fewer.", "名字太长，请不要超过 500 个字符。";
    ERR_NAME_CHARACTERS => "This name contains invisible or control characters; remove them.", "名字里有不可见字符或控制字符，请去掉。";
    ERR_NAME_IN_USE => "Somebody here has this name; choose another.", "有人正在用这个名字，请换一个。";
    ERR_NAME_BLOCKED => "This name is blocked for now; choose another or come back later.", "这个名字暂时被封禁，请换一个或稍后再来。";
    ERR_PASSPHRASE => "That is not the passphrase; check it and try again.", "口令不对，请检查后重试。";
    ERR_TOO_MANY_SIGN_INS => "Too many attempts; wait a minute and try again.", "尝试次数过多，请一分钟后再试。";
    ERR_NAME_TAKEN => "Another author has this name; choose another.", "另一位作者已用这个名字，请换一个。";
    ERR_MINUTES => "Say for how many minutes, from 1 to 525600.", "请填写分钟数（1 到 525600）。";
    ERR_ADMIN => "You are not signed in as an administrator; use the link the server printed.", "你还没有以管理员身份登录，请使用服务器打印的链接。";
    ERR_METRICS => "Metrics are for programs on the server itself and for administrators; sign in as one.", "指标只提供给服务器本机的程序和管理员，请先登录管理。";
    ERR_TOKEN => "That is not the token; use the link the server printed.", "令牌不对，请使用服务器打印的链接。";
    ERR_FORM => "The form could not be read; send it again.", "无法读取表单，请重新提交。";
    ERR_FORM_UTF8 => "The form is not valid UTF-8; send it again as UTF-8.", "表单不是有效的 UTF-8，请用 UTF-8 重新提交。";
    ERR_FORM_BOUNDARY => "The parts of the form could not be told apart; send it again.", "表单的分隔有误，请重新提交。";
    ERR_FORM_FILE => "Files cannot be sent here; send text.", "这里不能发送文件，请发送文字。";
    ERR_CSRF => "This page is out of date; reload the page and try again.", "页面已过期，请刷新页面后重试。";
    ERR_CROSS_SITE => "This request came from another site; open the chat itself and try again.", "请求来自其他网站，请直接打开聊天页面再试。";
    ERR_HOST => "This server does not go by that name; use an address it printed, or start it with --host.", "服务器不认识这个主机名，请用它打印的地址，或用 --host 启动。";
    ERR_SIGNED_OUT => "You are not signed in; choose a name in the lobby.", "你还没有登录，请先在大厅取个名字。";
    ERR_NOT_FOUND => "There is nothing at this address; go back to the chat.", "这个地址没有内容，请回到聊天。";
    ERR_METHOD => "This address does not answer that kind of request; go back to the chat.", "这个地址不支持这种请求，请回到聊天。";
    ERR_BAD_REQUEST => "This request could not be understood; check it and try again.", "无法理解这个请求，请检查后重试。";
    ERR_TOO_LARGE => "This is too large; send less at once.", "内容太大，请少发一些。";
    ERR_MESSAGE_EMPTY => "The message is empty; write something first.", "消息是空的，请先写点什么。";
    ERR_MESSAGE_TOO_LONG => "The message is too long; use 16,384 characters or fewer.", "消息太长，请不要超过 16,384 个字符。";
    ERR_MESSAGE_CHARACTERS => "The message contains a character that cannot be stored; remove it.", "消息里有无法保存的字符，请去掉。";
    ERR_CLIENT_ID => "The client_id is too long; use 64 characters or fewer.", "client_id 太长，请不要超过 64 个字符。";
    ERR_RATE => "You are writing too fast; wait a moment and try again.", "发得太快了，请稍等再试。";
    ERR_NOT_YOURS => "This message is somebody else's; you can change only your own.", "这是别人的消息，你只能修改自己的。";
    ERR_GONE => "This message is no longer there; reload the page.", "这条消息已不在了，请刷新页面。";
    ERR_MEDIA_TYPE => "Send this as a form: application/x-www-form-urlencoded or multipart/form-data.", "请以表单形式提交：application/x-www-form-urlencoded 或 multipart/form-data。";
    ERR_BUSY_DATABASE => "The database is busy; try again in a moment.", "数据库正忙，请稍后再试。";
    ERR_DISK_FULL => "The server's disk is full; ask whoever runs it to make room.", "服务器磁盘已满，请联系管理员清理空间。";
    ERR_READ_ONLY => "The server cannot write to its database; tell whoever runs it.", "服务器无法写入数据库，请告诉管理员。";
    ERR_INTERNAL => "Something went wrong on the server; try again in a moment.", "服务器出错了，请稍后再试。";
    ERR_TOO_BUSY => "The server is very busy; try again in a moment.", "服务器很忙，请稍后再试。";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_text_is_there_in_both_languages_with_the_same_gaps() {
        let gaps = |text: &str| -> BTreeSet<String> {
            text.split('{')
                .skip(1)
                .map(|rest| rest.split('}').next().unwrap_or_default().to_owned())
                .collect()
        };
        for (name, Text { en, zh }) in TEXTS {
            assert!(!en.trim().is_empty() && !zh.trim().is_empty(), "{name}");
            assert_eq!(gaps(en), gaps(zh), "{name}");
        }
    }

    /// Fails unless there is a text for every name between `mark` and `end` in the files of a folder; counts them.
    fn expect_texts(folder: &str, mark: &str, end: &str, prefix: &str) -> usize {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let files =
            fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file());
        let keys = files.flat_map(|file| {
            let text = fs::read_to_string(file).unwrap();
            let keys = text.split(mark).skip(1).map(|rest| rest.split(end).next().unwrap_or_default());
            keys.map(|key| format!("{prefix}{key}")).collect::<Vec<_>>()
        });
        keys.inspect(|key| assert!(named(key).is_some(), "no text is called {key}")).count()
    }

    #[test]
    fn every_text_that_a_template_or_a_script_names_exists() {
        assert!(expect_texts("templates", "{{ t.", " }}", "") > 50);
        assert!(expect_texts("templates/chat", "say('", "'", "js_") > 5);
    }

    #[test]
    fn the_scripts_get_their_texts_in_the_readers_language() {
        let texts: Value = serde_json::from_str(&scripts_json(Language::Chinese)).unwrap();
        assert_eq!((&texts["today"], &texts["send"]), (&"今天".into(), &"发送".into()));
        assert!(!scripts_json(Language::English).contains('<'));
    }

    #[test]
    fn a_choice_beats_the_browser_and_english_is_the_last_resort() {
        for (cookie, accepted, language) in [
            (Some("zh"), Some("en"), Language::Chinese),
            (Some("fr"), Some("zh-CN,zh;q=0.9"), Language::Chinese),
            (None, Some("en-GB,zh;q=0.5"), Language::English),
            (None, Some("fr"), Language::English),
            (None, None, Language::English),
        ] {
            assert_eq!(Language::pick(cookie, accepted), language, "{cookie:?} {accepted:?}");
        }
    }
}
