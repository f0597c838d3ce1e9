// Every sentence of the page, English beside Turkish. `t("age_minutes", {n: 3})` is "3 min ago".

export const WORDS = {
  title: { en: "Swing Hunter", tr: "Swing Hunter" },
  skip: { en: "Skip to the bots", tr: "Botlara geç" },

  // The connection: what the dot means, in words.
  live: { en: "Live", tr: "Canlı" },
  connecting: { en: "Connecting…", tr: "Bağlanıyor…" },
  not_live: { en: "Not live", tr: "Canlı değil" },
  partly_live: { en: "Partly live", tr: "Kısmen canlı" },
  not_live_since: { en: "Not live since {time}", tr: "{time} itibarıyla canlı değil" },
  detail_retry: { en: "The connection is lost. Trying again in {n} s.", tr: "Bağlantı koptu. {n} sn sonra yeniden denenecek." },
  detail_trying: { en: "The connection is lost. Trying again…", tr: "Bağlantı koptu. Yeniden deneniyor…" },
  detail_silent: { en: "The server has gone silent. Connecting anew…", tr: "Sunucudan ses yok. Yeniden bağlanılıyor…" },
  detail_offline: { en: "This device has no network.", tr: "Bu cihazın ağ bağlantısı yok." },
  detail_engine: { en: "The server answers, but the trading engine does not: the bots may be at a standstill.", tr: "Sunucu yanıt veriyor ama işlem motoru yanıt vermiyor: botlar durmuş olabilir." },
  detail_engines: { en: "Some of the trading engines do not answer: the bots shown in grey may be at a standstill.", tr: "İşlem motorlarından bazıları yanıt vermiyor: gri görünen botlar durmuş olabilir." },
  detail_not_ready: { en: "The server answers, but hears nothing of the trading engines: bots may be missing here.", tr: "Sunucu yanıt veriyor ama işlem motorlarından haber alamıyor: burada eksik botlar olabilir." },
  detail_crowded: { en: "Too many open pages of this user. Close some of them.", tr: "Bu kullanıcının çok fazla açık sayfası var. Bazılarını kapatın." },
  detail_asleep: { en: "This page was asleep. Connecting anew…", tr: "Bu sayfa uykudaydı. Yeniden bağlanılıyor…" },
  old_figures: { en: "All figures are the last known ones.", tr: "Tüm rakamlar bilinen son rakamlardır." },
  retry_now: { en: "Try now", tr: "Şimdi dene" },
  simulated_band: { en: "Simulated: no real prices, no real money", tr: "Simülasyon: fiyatlar ve para gerçek değil" },

  // The header and its menu.
  menu: { en: "Menu", tr: "Menü" },
  theme: { en: "Theme", tr: "Tema" },
  theme_system: { en: "System", tr: "Sistem" },
  theme_dark: { en: "Dark", tr: "Koyu" },
  theme_light: { en: "Light", tr: "Açık" },
  language: { en: "Language", tr: "Dil" },
  logout: { en: "Log out", tr: "Çıkış yap" },
  signed_in: { en: "{user}", tr: "{user}" },
  signed_in_viewer: { en: "{user} (may only look)", tr: "{user} (yalnızca izleyebilir)" },

  // The login.
  login_title: { en: "Log in", tr: "Giriş" },
  login_hint: { en: "Paste your access token. It is used once and not kept in this browser.", tr: "Erişim anahtarınızı yapıştırın. Bir kez kullanılır, bu tarayıcıda saklanmaz." },
  login_token: { en: "Access token", tr: "Erişim anahtarı" },
  login_button: { en: "Log in", tr: "Giriş yap" },
  login_busy: { en: "Logging in…", tr: "Giriş yapılıyor…" },
  login_how: { en: "No token yet? On the server: python3 run.py users add NAME", tr: "Anahtarınız yok mu? Sunucuda: python3 run.py users add AD" },
  login_wrong: { en: "This token is not valid. Check that it was copied whole.", tr: "Bu anahtar geçerli değil. Eksiksiz kopyalandığından emin olun." },
  login_slow: { en: "Too many attempts. Wait a minute and try again.", tr: "Çok fazla deneme yapıldı. Bir dakika bekleyip yeniden deneyin." },
  login_unreachable: { en: "The server does not answer. Check that it runs and try again.", tr: "Sunucu yanıt vermiyor. Çalıştığından emin olup yeniden deneyin." },
  login_failed: { en: "The server refused: {reason}", tr: "Sunucu reddetti: {reason}" },
  session_ended: { en: "Your access was ended. Log in with a valid token to go on.", tr: "Erişiminiz sona erdi. Devam etmek için geçerli bir anahtarla giriş yapın." },
  logged_out: { en: "You are logged out.", tr: "Çıkış yapıldı." },

  // Summary and tools.
  day_total: { en: "Day", tr: "Gün" },
  open_total: { en: "Open", tr: "Açık" },
  bots_count: { en: "{n} bots", tr: "{n} bot" },
  bots_count_one: { en: "1 bot", tr: "1 bot" },
  bots_count_of: { en: "{n} of {all} bots", tr: "{all} bottan {n} tanesi" },
  totals_stale: { en: "{n} of {all} prices are not current", tr: "{all} fiyattan {n} tanesi güncel değil" },
  search: { en: "Name or symbol", tr: "Ad veya sembol" },
  filter: { en: "Show", tr: "Göster" },
  filter_all: { en: "All", tr: "Tümü" },
  filter_position: { en: "In position", tr: "Pozisyonda" },
  filter_active: { en: "Active", tr: "Çalışan" },
  filter_stopped: { en: "Stopped", tr: "Durmuş" },
  filter_error: { en: "Errors", tr: "Hatalı" },
  sort: { en: "Sort", tr: "Sırala" },
  sort_attention: { en: "Attention first", tr: "Önce ilgi bekleyen" },
  sort_name: { en: "Name", tr: "Ad" },
  sort_day: { en: "Day's P&L", tr: "Günlük K/Z" },
  sort_open: { en: "Open P&L", tr: "Açık K/Z" },
  sort_trade: { en: "Last trade", tr: "Son işlem" },
  bots_heading: { en: "Bots", tr: "Botlar" },
  empty_title: { en: "No bots yet", tr: "Henüz bot yok" },
  empty_text: { en: "Enter one under \"bots\" in swing_config.json, or with Ctrl+B in the desktop program. It appears here by itself.", tr: "swing_config.json dosyasında \"bots\" altına bir bot yazın ya da masaüstü programında Ctrl+B ile oluşturun. Burada kendiliğinden görünür." },
  empty_loading: { en: "Waiting for the server's first answer…", tr: "Sunucunun ilk yanıtı bekleniyor…" },
  missing_title: { en: "No bots to show", tr: "Gösterilecek bot yok" },
  missing_text: { en: "Whether there are any is not known yet. They appear here by themselves.", tr: "Bot olup olmadığı henüz bilinmiyor. Varsa burada kendiliğinden görünür." },
  none_found: { en: "No bot matches.", tr: "Eşleşen bot yok." },
  clear_filter: { en: "Show all", tr: "Tümünü göster" },

  // A card.
  status_stopped: { en: "Stopped", tr: "Durduruldu" },
  status_running: { en: "Running", tr: "Çalışıyor" },
  status_in_position: { en: "In position", tr: "Pozisyonda" },
  status_market_closed: { en: "Market closed", tr: "Piyasa kapalı" },
  status_error: { en: "Error", tr: "Hata" },
  status_unknown: { en: "Unknown", tr: "Bilinmiyor" },
  price_live: { en: "Live", tr: "Canlı" },
  price_delayed: { en: "Delayed", tr: "Gecikmeli" },
  price_stale: { en: "Stale", tr: "Eski" },
  price_closed: { en: "Closed", tr: "Kapalı" },
  price_simulated: { en: "Simulated", tr: "Simülasyon" },
  price_none: { en: "No price yet", tr: "Henüz fiyat yok" },
  price_unknown: { en: "Last known", tr: "Bilinen son" },
  open_pnl: { en: "Open P&L", tr: "Açık K/Z" },
  day_pnl: { en: "Day's P&L", tr: "Günlük K/Z" },
  trades_none: { en: "no trades today", tr: "bugün işlem yok" },
  trades_one: { en: "1 trade", tr: "1 işlem" },
  trades_many: { en: "{n} trades", tr: "{n} işlem" },
  no_position: { en: "No position", tr: "Pozisyon yok" },
  position_long: { en: "{quantity} at {price}", tr: "{quantity} adet, {price}" },
  position_short: { en: "Short {quantity} at {price}", tr: "Açığa {quantity} adet, {price}" },
  position_more: { en: "{text}, {n} more", tr: "{text} ve {n} pozisyon daha" },
  stop: { en: "Trailing stop", tr: "İzleyen stop" },
  stop_fixed: { en: "Stop", tr: "Zarar durdur" },
  stop_none: { en: "none", tr: "yok" },
  position: { en: "Position", tr: "Pozisyon" },
  last_trade: { en: "Last trade", tr: "Son işlem" },
  last_trade_none: { en: "none yet", tr: "henüz yok" },
  updated: { en: "updated {age}", tr: "güncelleme: {age}" },
  version: { en: "v{n}", tr: "s{n}" },
  sparkline: { en: "Day's P&L over time, now {value}", tr: "Günlük K/Z seyri, şu an {value}" },
  error_more: { en: "Show the whole error", tr: "Hatanın tamamını göster" },
  age_now: { en: "just now", tr: "şimdi" },
  age_seconds: { en: "{n} s ago", tr: "{n} sn önce" },
  age_minutes: { en: "{n} min ago", tr: "{n} dk önce" },
  age_hours: { en: "{n} h ago", tr: "{n} sa önce" },
  age_days: { en: "{n} days ago", tr: "{n} gün önce" },
  age_day: { en: "1 day ago", tr: "1 gün önce" },
  up: { en: "up", tr: "artı" },
  down: { en: "down", tr: "eksi" },

  // Commands.
  start: { en: "Start", tr: "Başlat" },
  start_of: { en: "Start {name}", tr: "{name} botunu başlat" },
  stop_button: { en: "Stop", tr: "Durdur" },
  stop_of: { en: "Stop {name}", tr: "{name} botunu durdur" },
  sending: { en: "Sending…", tr: "Gönderiliyor…" },
  cancel: { en: "Cancel", tr: "Vazgeç" },
  start_title: { en: "Start {name}?", tr: "{name} başlatılsın mı?" },
  start_text: { en: "It will open and close positions by itself.", tr: "Kendi başına pozisyon açıp kapatacak." },
  start_error: { en: "It stopped with an error. Starting it again clears the error.", tr: "Bir hatayla durdu. Yeniden başlatmak hatayı siler." },
  stop_title: { en: "Stop {name}?", tr: "{name} durdurulsun mu?" },
  stop_text: { en: "It will open no new positions.", tr: "Yeni pozisyon açmayacak." },
  stop_question: { en: "And what it holds?", tr: "Elindekiler ne olsun?" },
  stop_keep: { en: "Keep the positions; their stops stay armed", tr: "Pozisyonlar kalsın; stopları devrede kalır" },
  stop_sell: { en: "Close all positions at the next price", tr: "Tüm pozisyonlar bir sonraki fiyattan kapatılsın" },
  not_live_warning: { en: "This page is not live: the bot may have changed since.", tr: "Bu sayfa canlı değil: bot o zamandan beri değişmiş olabilir." },
  command_started: { en: "{name}: start was carried out.", tr: "{name}: başlatıldı." },
  command_stopped: { en: "{name}: stop was carried out.", tr: "{name}: durduruldu." },
  command_unreachable: { en: "{name}: the server did not answer, so it is not known whether this was done. Watch the bot's status.", tr: "{name}: sunucu yanıt vermedi, işlemin yapılıp yapılmadığı bilinmiyor. Botun durumunu izleyin." },
  command_refused: { en: "{name}: not done. {reason}", tr: "{name}: yapılamadı. {reason}" },
  command_forbidden: { en: "{name}: not done. You may only look.", tr: "{name}: yapılamadı. Yalnızca izleme yetkiniz var." },
  command_pending: { en: "{name}: sent, but not confirmed yet. Watch the bot's status.", tr: "{name}: gönderildi ama henüz onaylanmadı. Botun durumunu izleyin." },
  command_engine: { en: "{name}: not done. The bot's trading engine does not answer.", tr: "{name}: yapılamadı. Botun işlem motoru yanıt vermiyor." },
  command_gone: { en: "{name}: not done. There is no such bot any more.", tr: "{name}: yapılamadı. Böyle bir bot artık yok." },
  close: { en: "Close", tr: "Kapat" },
};

let current = document.documentElement.lang === "tr" ? "tr" : "en";

/** The language in use, "en" or "tr". */
export function language() {
  return current;
}

/** Speak `name` ("en" or "tr") from now on, and remember it. */
export function setLanguage(name) {
  current = name === "tr" ? "tr" : "en";
  document.documentElement.lang = current;
  remember("language", current);
}

/** Keep a small choice of the person's in this browser; does nothing where storage is off. */
export function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // A private window: the choice lasts as long as the page.
  }
}

/** What was remembered under `key`, else `otherwise`. */
export function recall(key, otherwise) {
  try {
    return localStorage.getItem(key) ?? otherwise;
  } catch {
    return otherwise;
  }
}

/** The sentence `key` with its {fields} filled in. Throws for an unknown one. */
export function t(key, fields) {
  const text = WORDS[key][current];
  return fields ? text.replace(/\{(\w+)\}/g, (whole, name) => String(fields[name] ?? whole)) : text;
}
