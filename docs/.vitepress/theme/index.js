// Without the fonts: a reader has some, and the build fetches none.
import DefaultTheme from 'vitepress/theme-without-fonts';

import './style.css';

export default DefaultTheme;
