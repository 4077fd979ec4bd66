// One warm look, light and dark. Contrasts of text are 4.5:1 and more.

import { createTheme } from "@mui/material/styles";

const HEADINGS = '"Fraunces Variable", Georgia, "Times New Roman", serif';
const BODY = '"Figtree Variable", system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

const heading = { fontFamily: HEADINGS, fontWeight: 560, letterSpacing: "-0.01em" };

export const theme = createTheme({
  cssVariables: { colorSchemeSelector: "data" },
  colorSchemes: {
    light: {
      palette: {
        primary: { main: "#a8481f", dark: "#863614", light: "#c96a3f", contrastText: "#ffffff" },
        secondary: { main: "#1f6a5c", contrastText: "#ffffff" },
        error: { main: "#b3261e" },
        info: { main: "#2b5f73", contrastText: "#ffffff" },
        background: { default: "#faf5ee", paper: "#fffdfa" },
        text: { primary: "#2a211b", secondary: "#665749" },
        divider: "#e9ddcf",
      },
    },
    dark: {
      palette: {
        primary: { main: "#f2a77f", dark: "#dd8a5d", light: "#ffc4a3", contrastText: "#33170a" },
        secondary: { main: "#7fcdbb", contrastText: "#06281f" },
        error: { main: "#ff8f85" },
        info: { main: "#8cc7dd", dark: "#1f5163", contrastText: "#ffffff" },
        background: { default: "#1a1512", paper: "#251e1a" },
        text: { primary: "#f4ebe2", secondary: "#c7b8aa" },
        divider: "#40352d",
      },
    },
  },
  shape: { borderRadius: 12 },
  typography: {
    fontFamily: BODY,
    h1: { ...heading, fontSize: "clamp(2rem, 4.6vw, 3.1rem)", lineHeight: 1.08 },
    h2: { ...heading, fontSize: "1.5rem", lineHeight: 1.2 },
    h3: { ...heading, fontSize: "1.16rem", lineHeight: 1.3 },
    body1: { lineHeight: 1.55 },
    body2: { lineHeight: 1.5 },
    button: { textTransform: "none", fontWeight: 600 },
  },
  components: {
    MuiCssBaseline: {
      styleOverrides: {
        // What pictures lie on.
        ":root": { "--stage": "#ece2d5" },
        "[data-dark]": { "--stage": "#110d0b" },
        ":focus-visible": {
          outline: "3px solid var(--mui-palette-secondary-main)",
          outlineOffset: 2,
        },
        "@media (prefers-reduced-motion: reduce)": {
          "*, *::before, *::after": {
            animationDuration: "0.01ms !important",
            transitionDuration: "0.01ms !important",
          },
        },
      },
    },
    MuiButtonBase: {
      defaultProps: { disableRipple: true },
      styleOverrides: {
        root: {
          "&.Mui-focusVisible": {
            outline: "3px solid var(--mui-palette-secondary-main)",
            outlineOffset: 2,
          },
        },
      },
    },
    MuiButton: {
      defaultProps: { disableElevation: true },
      styleOverrides: { root: { borderRadius: 999, paddingInline: 18 } },
    },
    MuiPaper: { styleOverrides: { root: { backgroundImage: "none" } } },
    MuiTextField: { defaultProps: { size: "small" } },
    MuiTooltip: { defaultProps: { enterDelay: 400, describeChild: false } },
  },
});
